//! From an intent to a resting operation: plan, show, ask, apply, follow. Written once for
//! all verbs.

use std::path::{Path, PathBuf};

use bellows_proto::{
    remarks::{Note, Ticket},
    v1::{
        AcceptedGuard, ApplyPlanRequest, ApplyReply, GetOperationRequest, Intent, KeyValue,
        OnFailure, Outcome, Plan, PlanIntentRequest, PlanReply, Refusals, Remarks, Window,
        apply_reply, plan_reply,
    },
};

mod off;

use super::{
    Context,
    agree::answer,
    args,
    connect::Client,
    exit::{Exit, Failure},
    follow::{Sink, follow},
    page::Tone,
    render,
};

/// Options of every command that changes a cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct Agreement {
    /// Do not ask: carry the plan out
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Show the plan and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// What a failed step leads to: hold and let the administrator decide, or undo
    #[arg(long, value_enum, default_value_t = Failed::Hold, value_name = "hold|undo", hide_possible_values = true)]
    pub on_failure: Failed,
    /// A host that the plan names dead is off: whoever says so answers for it; once for each such host
    #[arg(long = "confirm-off", value_name = "HOST")]
    pub confirm_off: Vec<String>,
    /// Begin the operation and do not follow it
    #[arg(long)]
    pub detach: bool,
    /// The change request that this belongs to; kept with the operation
    #[arg(long, value_name = "TEXT")]
    pub ticket: Option<Ticket>,
    /// One line about it; kept with the operation
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Only within this time of the day, local time of the coordinator, e.g. 01:00-05:00: refused
    /// when it will not fit, paused at its end
    #[arg(long, value_name = "HH:MM-HH:MM")]
    pub window: Option<Window>,
}

impl Agreement {
    /// Writes what was said into a plan; what was not said stays as the plan has it.
    fn remark(&self, plan: &mut Plan) {
        if self.window.is_some() {
            plan.window = self.window;
        }
        if self.ticket.is_none() && self.note.is_none() {
            return;
        }
        let remarks = plan.remarks.get_or_insert_with(Remarks::default);
        if let Some(ticket) = &self.ticket {
            remarks.ticket = ticket.to_string();
        }
        if let Some(note) = &self.note {
            remarks.note = note.to_string();
        }
    }
}

/// Options of commands that plan.
#[derive(Debug, Clone, clap::Args)]
pub struct Planning {
    /// An option that the system has, e.g. min_members=3; may be given several times
    #[arg(long = "option", value_name = "KEY=VALUE", value_parser = args::key_value)]
    pub options: Vec<KeyValue>,
    /// Accept a guard that says no, with a reason that is kept with the operation, e.g.
    /// PG-50="CHG-4711: clients are being moved"; only guards whose remedy names it
    #[arg(long = "accept", value_name = "CODE=REASON", value_parser = args::accepted)]
    pub accept: Vec<AcceptedGuard>,
    /// Write the plan to a file and stop; carry it out later with bellows apply
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub agreement: Agreement,
}

/// What a failed step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Failed {
    /// Hold.
    Hold,
    /// Undo.
    Undo,
}

/// Plans, then goes on as agreed.
///
/// # Errors
/// If the coordinator cannot be reached, refuses, or a file cannot be written.
pub async fn propose(
    context: &Context,
    intent: Intent,
    planning: Planning,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Planning { options, accept, out, agreement } = planning;
    let intent = Intent { accepted: accept, ..intent };
    let request = PlanIntentRequest { intent: Some(intent), options, again: String::new() };
    Box::pin(plan_and_go_on(context, &client, request, out.as_deref(), &agreement)).await
}

/// Plans as requested, then goes on as agreed. `out`: writes the plan there and stops.
///
/// # Errors
/// As [`propose`].
pub async fn plan_and_go_on(
    context: &Context,
    client: &Client,
    request: PlanIntentRequest,
    out: Option<&Path>,
    agreement: &Agreement,
) -> Result<Exit, Failure> {
    let mut api = client.api.clone();
    let reply = client.planned(api.plan_intent(request)).await?;
    let mut plan = match reply.outcome {
        Some(plan_reply::Outcome::Plan(plan)) => plan,
        Some(plan_reply::Outcome::Refusals(refusals)) => return refused(context, refusals),
        None => return Err(newer()),
    };
    agreement.remark(&mut plan);
    if let Some(path) = out {
        write_plan(path, &plan)?;
        show(context, &plan)?;
        let path = path.display();
        context.out.say(&format!("Nothing was changed. Carry it out with: bellows apply {path}"));
        return Ok(Exit::AsAsked);
    }
    Box::pin(agree_and_apply(context, client, plan, agreement)).await
}

/// Shows a plan, asks, applies it and follows the operation.
///
/// # Errors
/// As [`propose`].
pub async fn agree_and_apply(
    context: &Context,
    client: &Client,
    mut plan: Plan,
    agreement: &Agreement,
) -> Result<Exit, Failure> {
    agreement.remark(&mut plan);
    if agreement.dry_run {
        show(context, &plan)?;
        context.out.say("Nothing was changed (--dry-run).");
        return Ok(Exit::AsAsked);
    }
    if !context.out.is_json() {
        show(context, &plan)?;
    }
    let nobody =
        "nobody is there to agree to the plan: standard input is no terminal; nothing was changed";
    let remedy = "add --yes to carry the plan out, or --dry-run to look at it only";
    let question = "Carry this plan out? Type yes: ";
    if !agreement.yes && answer(context, question, nobody, remedy)? != "yes" {
        context.out.say("Nothing was changed.");
        return Ok(Exit::BeforeFirstAct);
    }
    let Some(plan) = off::confirmed(context, plan, &agreement.confirm_off)? else {
        context.out.say("Nothing was changed.");
        return Ok(Exit::BeforeFirstAct);
    };
    let on_failure = match agreement.on_failure {
        Failed::Hold => OnFailure::Hold,
        Failed::Undo => OnFailure::Undo,
    };
    let request = ApplyPlanRequest { plan: Some(plan), on_failure: on_failure.into() };
    let mut api = client.api.clone();
    let reply = client.planned(api.apply_plan(request)).await.map_err(maybe_begun)?;
    let operation = match reply.outcome {
        Some(apply_reply::Outcome::Operation(operation)) => operation,
        Some(apply_reply::Outcome::Refusals(refusals)) => return refused(context, refusals),
        Some(apply_reply::Outcome::Changed(_)) => return changed(context, &reply),
        None => return Err(newer()),
    };
    begun(context, client, &operation, agreement.detach).await
}

/// A call that broke half-way may have arrived.
fn maybe_begun(failure: Failure) -> Failure {
    if failure.is_unreachable() {
        return failure.advise("the operation may have begun all the same: see `bellows op list`");
    }
    failure
}

async fn begun(
    context: &Context,
    client: &Client,
    operation: &str,
    detach: bool,
) -> Result<Exit, Failure> {
    context.out.say(&format!("Operation {operation} began."));
    if detach {
        if context.out.is_json() {
            let outcome = Some(apply_reply::Outcome::Operation(operation.to_owned()));
            context.out.json(&ApplyReply { outcome })?;
        }
        context.out.say(&format!("Follow it with: bellows op watch {operation}"));
        return Ok(Exit::AsAsked);
    }
    // With JSON the data is the operation as it rests; its way there goes beside it.
    let sink = if context.out.is_json() { Sink::Notes } else { Sink::Data };
    let exit = follow(context, client, operation, 0, Outcome::Done, sink).await?;
    if context.out.is_json() && exit != Exit::ViewLeft {
        summary(context, client, operation).await?;
    }
    Ok(exit)
}

/// The operation's summary as JSON.
pub async fn summary(context: &Context, client: &Client, operation: &str) -> Result<(), Failure> {
    let request = GetOperationRequest { operation: operation.to_owned() };
    let mut api = client.api.clone();
    let detail = client.answer(api.get_operation(request)).await?;
    context.out.json(&detail.summary.unwrap_or_default())
}

fn show(context: &Context, plan: &Plan) -> Result<(), Failure> {
    context.out.data(plan, render::plan::plan)
}

fn refused(context: &Context, refusals: Refusals) -> Result<Exit, Failure> {
    let outcome = Some(plan_reply::Outcome::Refusals(refusals));
    context.out.data(&PlanReply { outcome }, |page, reply| {
        if let Some(plan_reply::Outcome::Refusals(refusals)) = &reply.outcome {
            render::fault::refusals(page, &refusals.refusals);
            page.line(Tone::Plain, "Nothing was changed.");
        }
    })?;
    Ok(Exit::Refused)
}

fn changed(context: &Context, reply: &ApplyReply) -> Result<Exit, Failure> {
    context.out.data(reply, |page, reply| {
        let Some(apply_reply::Outcome::Changed(changed)) = &reply.outcome else { return };
        page.line(Tone::Bad, "What is seen now does not lead to this plan any more:");
        for difference in &changed.differences {
            page.line(Tone::Plain, &format!("  {difference}"));
        }
        page.line(Tone::Plain, "Nothing was changed. Plan anew and look at the new plan.");
    })?;
    Ok(Exit::Refused)
}

fn newer() -> Failure {
    Failure::usage(
        "the coordinator answered in a way that this command line does not know",
        "bring command line and coordinator to the same version",
    )
}

fn write_plan(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let mut text =
        serde_json::to_vec_pretty(plan).map_err(|e| Failure::file(&shown, "written", &e))?;
    text.push(b'\n');
    std::fs::write(path, text).map_err(|e| Failure::file(&shown, "written", &e))
}
