//! `bellows job`: what the agents have of operations, and what is done where the journal does
//! not know it.

mod list;
mod settle;

use crate::cli::{
    Context,
    exit::{Exit, Failure, STATUSES},
};

/// What can be done with jobs.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the jobs and fences that the hosts have, and whether the journal knows them
    List(list::Args),
    /// Make a host forget an operation that is not open: its jobs are forgotten, its fence is lifted
    #[command(after_help = STATUSES)]
    Settle(settle::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(context, args).await,
        Command::Settle(args) => settle::run(context, args).await,
    }
}
