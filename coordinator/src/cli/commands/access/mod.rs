//! `bellows access`: certificates of users of the command line on other machines.

mod issue;
mod list;
mod revoke;

use crate::cli::{
    Context,
    exit::{Exit, Failure, STATUSES},
};

/// What can be done with certificates of users.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the certificates of users, and those that were revoked
    List,
    /// Make a key here and have a certificate for it issued
    #[command(after_help = STATUSES)]
    Issue(issue::Args),
    /// Accept a certificate no longer
    #[command(after_help = STATUSES)]
    Revoke(revoke::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list::run(context).await,
        Command::Issue(args) => issue::run(context, args).await,
        Command::Revoke(args) => revoke::run(context, args).await,
    }
}
