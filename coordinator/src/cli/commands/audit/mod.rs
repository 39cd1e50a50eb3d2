//! `bellows audit`: who asked for what, every command line that ran, and whether the record of
//! it still is what was written.

mod accept;
mod show;
mod verify;

use crate::cli::{
    Context,
    exit::{Exit, Failure, VERIFY_STATUSES},
};

/// Arguments of `bellows audit`: those of `show`, which is what it does by itself.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: show::Args,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the records of an audit log
    Show(show::Args),
    /// Check the logs of coordinator and agents, each by itself and against the others
    #[command(after_help = VERIFY_STATUSES)]
    Verify(verify::Args),
    /// Take the emptied log of a host as it is from now on; it is written down who did so
    Accept(accept::Args),
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    if args.command.is_some() && args.show != show::Args::default() {
        let what = "options of `show` stand before the subcommand";
        return Err(Failure::usage(what, "write them after it: bellows audit show --host HOST"));
    }
    match args.command {
        Some(Command::Show(args)) => show::run(context, args).await,
        Some(Command::Verify(args)) => verify::run(context, args).await,
        Some(Command::Accept(args)) => accept::run(context, args).await,
        None => show::run(context, args.show).await,
    }
}
