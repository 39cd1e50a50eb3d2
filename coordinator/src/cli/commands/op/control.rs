//! `bellows op pause|resume|cancel|retry|skip|undo|abandon`: asks, then follows until it rests.

use bellows_proto::{
    remarks::Note,
    v1::{ControlKind, ControlOperationRequest, GetOperationRequest, Outcome, event},
};

use crate::cli::{
    Context,
    connect::Client,
    exit::{Exit, Failure},
    follow::{Sink, follow},
    propose, render, words,
};

/// Arguments of the commands that steer an operation.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
    /// Do not wait until it rests
    #[arg(long)]
    detach: bool,
}

/// Arguments of `bellows op skip`.
#[derive(Debug, clap::Args)]
pub struct SkipArgs {
    #[command(flatten)]
    control: Args,
    /// Why it may be skipped; kept with the operation and in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Note,
}

pub async fn run(context: &Context, args: Args, kind: ControlKind) -> Result<Exit, Failure> {
    ask(context, args, kind, String::new()).await
}

pub async fn skip(context: &Context, args: SkipArgs) -> Result<Exit, Failure> {
    ask(context, args.control, ControlKind::Skip, args.reason.to_string()).await
}

async fn ask(
    context: &Context,
    args: Args,
    kind: ControlKind,
    reason: String,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let operation = args.operation;
    let (before, back_to) = last_event(&client, &operation).await?;
    let request =
        ControlOperationRequest { operation: operation.clone(), kind: kind.into(), reason };
    let now = client.answer(client.api.clone().control_operation(request)).await?;
    // A pause comes when the running step has ended: nobody waits hours for that.
    let Some(asked) = asked(kind, back_to).filter(|_| !args.detach) else {
        context.out.say(&format!("{} is asked for.", words::control(kind)));
        context.out.data(&now, render::operation::summary)?;
        return Ok(Exit::AsAsked);
    };
    let exit = followed(context, &client, &operation, before, asked).await?;
    if context.out.is_json() && exit != Exit::ViewLeft {
        propose::summary(context, &client, &operation).await?;
    }
    Ok(exit)
}

/// Asks for it and follows the operation until it rests. `before`: number of its last event by now;
/// `asked`: what it is to rest as.
pub async fn ask_and_follow(
    context: &Context,
    client: &Client,
    operation: &str,
    kind: ControlKind,
    before: u64,
    asked: Outcome,
) -> Result<Exit, Failure> {
    let operation = operation.to_owned();
    let request = ControlOperationRequest {
        operation: operation.clone(),
        kind: kind.into(),
        ..ControlOperationRequest::default()
    };
    client.answer(client.api.clone().control_operation(request)).await?;
    followed(context, client, &operation, before, asked).await
}

/// With JSON the data is something else: the way there goes beside it.
async fn followed(
    context: &Context,
    client: &Client,
    operation: &str,
    before: u64,
    asked: Outcome,
) -> Result<Exit, Failure> {
    let sink = if context.out.is_json() { Sink::Notes } else { Sink::Data };
    follow(context, client, operation, before, asked, sink).await
}

/// What the operation is to rest as; `None`: as soon as it is asked for, the command is done.
/// `back_to`: as what it is to rest where it goes back already.
fn asked(kind: ControlKind, back_to: Option<Outcome>) -> Option<Outcome> {
    match kind {
        ControlKind::Resume | ControlKind::Retry | ControlKind::Skip => {
            Some(back_to.unwrap_or(Outcome::Done))
        }
        ControlKind::Cancel => Some(Outcome::Cancelled),
        ControlKind::Undo => Some(Outcome::Undone),
        ControlKind::Abandon => Some(Outcome::Abandoned),
        ControlKind::Pause | ControlKind::Unspecified => None,
    }
}

/// Number of the last event before anything is asked for: the view begins after it; and as what
/// it is to rest, where it goes back.
async fn last_event(client: &Client, operation: &str) -> Result<(u64, Option<Outcome>), Failure> {
    let request = GetOperationRequest { operation: operation.to_owned() };
    let detail = client.answer(client.api.clone().get_operation(request)).await?;
    let back_to = detail.events.iter().rev().find_map(|event| match &event.kind {
        Some(event::Kind::UndoStarted(undo)) => Some(undo.target()),
        Some(_) | None => None,
    });
    Ok((detail.events.last().map_or(0, |event| event.sequence), back_to))
}
