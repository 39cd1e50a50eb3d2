//! `bellows host`: who is enrolled, and how hosts are let in.

mod list;
mod show;
mod token;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
};

/// What can be done with hosts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the hosts and whether their agents answer
    List,
    /// Show a host with what its agent says of it
    Show(show::Args),
    /// Make a token that lets a host in, once, for a limited time
    Token(token::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list::run(context).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Token(args) => token::run(context, args).await,
    }
}
