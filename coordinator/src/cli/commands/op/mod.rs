//! `bellows op`: operations, followed and steered.

mod control;
mod list;
mod logs;
mod replan;
mod report;
mod show;
mod watch;

use bellows_proto::v1::ControlKind;

use crate::cli::{
    Context,
    exit::{Exit, Failure, STATUSES},
};

/// What can be done with operations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List operations, the newest first
    List(list::Args),
    /// Show an operation with all that happened
    Show(show::Args),
    /// Put what became of an operation on paper: expected against measured
    Report(report::Args),
    /// Follow an operation until it rests
    #[command(after_help = STATUSES)]
    Watch(watch::Args),
    /// Show what the tools of an operation printed
    Logs(logs::Args),
    /// Hold a running operation at the next safe point
    Pause(control::Args),
    /// Let a paused operation go on
    Resume(control::Args),
    /// Stop a running operation and take back what it did; it rests as cancelled
    #[command(after_help = STATUSES)]
    Cancel(control::Args),
    /// Try the failed step of a held operation again
    Retry(control::Args),
    /// Pass over the failed or stalled step of a held operation, where its plan allows it
    Skip(control::SkipArgs),
    /// Take back what a held operation did; it rests as undone
    Undo(control::Args),
    /// Give a held operation up: says what is left, and frees its locks
    Abandon(control::Args),
    /// Plan again what an operation was for, from what is seen now; a held one is taken back first
    #[command(after_help = STATUSES)]
    Replan(replan::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(context, args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Watch(args) => watch::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Pause(args) => control::run(context, args, ControlKind::Pause).await,
        Command::Resume(args) => control::run(context, args, ControlKind::Resume).await,
        Command::Cancel(args) => control::run(context, args, ControlKind::Cancel).await,
        Command::Retry(args) => control::run(context, args, ControlKind::Retry).await,
        Command::Skip(args) => control::skip(context, args).await,
        Command::Undo(args) => control::run(context, args, ControlKind::Undo).await,
        Command::Abandon(args) => control::run(context, args, ControlKind::Abandon).await,
        Command::Replan(args) => Box::pin(replan::run(context, args)).await,
    }
}
