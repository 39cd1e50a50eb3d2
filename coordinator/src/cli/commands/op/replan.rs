//! `bellows op replan`: the same again, from what is seen now. What a held operation did is taken
//! back first, because a plan starts from a cluster that nobody is changing.

use std::path::PathBuf;

use bellows_proto::v1::{
    ControlKind, GetOperationRequest, OperationDetail, Outcome, PlanIntentRequest,
};

use super::control;
use crate::cli::{
    Context, agree,
    connect::Client,
    exit::{Exit, Failure},
    propose::{Agreement, plan_and_go_on},
    render,
};

/// Arguments of `bellows op replan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
    /// A held operation is not taken back: it is abandoned, and what it did stays
    #[arg(long)]
    abandon: bool,
    /// Write the plan to a file and stop; carry it out later with bellows apply
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    out: Option<PathBuf>,
    #[command(flatten)]
    agreement: Agreement,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetOperationRequest { operation: args.operation.clone() };
    let detail = client.answer(client.api.clone().get_operation(request)).await?;
    if is_held(&detail) {
        if args.agreement.dry_run {
            show(context, &detail)?;
            context.out.say(&format!(
                "It is held: it would be {} before it is planned anew. Nothing was changed (--dry-run).",
                if args.abandon { "abandoned" } else { "taken back" },
            ));
            return Ok(Exit::AsAsked);
        }
        let exit = put_to_rest(context, &client, &args, &detail).await?;
        if exit != Exit::AsAsked {
            return Ok(exit);
        }
    }
    let Args { operation, out, agreement, .. } = args;
    let request = PlanIntentRequest { again: operation, ..PlanIntentRequest::default() };
    plan_and_go_on(context, &client, request, out.as_deref(), &agreement).await
}

fn is_held(detail: &OperationDetail) -> bool {
    let held = |summary: &bellows_proto::v1::OperationSummary| {
        summary.outcome() == Outcome::Unspecified && summary.state == "held"
    };
    detail.summary.as_ref().is_some_and(held)
}

fn show(context: &Context, detail: &OperationDetail) -> Result<(), Failure> {
    let summary = detail.summary.clone().unwrap_or_default();
    context.out.data(&summary, render::operation::summary)
}

/// Asks, and follows the held operation until it is over. As asked: it is.
async fn put_to_rest(
    context: &Context,
    client: &Client,
    args: &Args,
    detail: &OperationDetail,
) -> Result<Exit, Failure> {
    let (kind, question, asked) = if args.abandon {
        let question = "Abandon it, with all that it did left behind, and plan anew? Type yes: ";
        (ControlKind::Abandon, question, Outcome::Abandoned)
    } else {
        let question = "Take back what it did, then plan anew? Type yes: ";
        (ControlKind::Undo, question, Outcome::Undone)
    };
    if !args.agreement.yes {
        let mut page = context.out.note_page();
        render::operation::summary(&mut page, &detail.summary.clone().unwrap_or_default());
        let remedy = "add --yes to have it done, and the new plan carried out without a question";
        if !agree::agreed(context, page, question, "yes", remedy)? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let after = detail.events.last().map_or(0, |event| event.sequence);
    control::ask_and_follow(context, client, &args.operation, kind, after, asked).await
}
