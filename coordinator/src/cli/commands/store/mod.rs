//! `bellows store`: the coordinator's store. `backup` and `prune` ask a running coordinator;
//! `check`, `restore` and `backup --offline` work on the store of a stopped one.

mod backup;
mod check;
mod prune;
mod restore;

use bellows_proto::fault::chain;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
    },
    serve::{
        ServeError,
        offline::{Trouble, trouble},
    },
};

/// What can be done with the store.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Look for damage in the store of a stopped coordinator; changes nothing
    #[command(after_help = check::STATUSES)]
    Check(check::Args),
    /// Write a backup of the store to a file, while the coordinator runs
    Backup(backup::Args),
    /// Make the store anew from a backup; the coordinator must be stopped and its store gone
    Restore(restore::Args),
    /// Take the events of old operations out of the store; their entries stay
    Prune(prune::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Check(args) => check::run(context, &args),
        Command::Backup(args) => backup::run(context, &args).await,
        Command::Restore(args) => restore::run(context, &args),
        Command::Prune(args) => prune::run(context, &args).await,
    }
}

/// What went wrong with a store that is not in use.
pub(super) fn offline(error: &ServeError) -> Failure {
    let (exit, remedy) = match trouble(error) {
        Trouble::Wrong => (Exit::Usage, "check --site and the file that was named"),
        Trouble::Running => (Exit::Refused, "stop the coordinator first"),
        Trouble::Failed => (Exit::BeforeFirstAct, "look at the disk and its space"),
    };
    Failure::new(exit, chain(error), remedy)
}
