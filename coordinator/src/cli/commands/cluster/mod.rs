//! `bellows cluster`: what is wanted of clusters.

mod adopt;
mod apply;
mod create;
mod delete;
mod history;
mod list;
mod show;

use crate::cli::{
    Context,
    exit::{Exit, Failure, STATUSES},
};

/// What can be done with clusters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Take a cluster into care that somebody else built; nothing is done on any host
    #[command(after_help = STATUSES)]
    Adopt(adopt::Args),
    /// Bring a cluster to what a file says, or to an earlier version of its spec
    #[command(after_help = STATUSES, disable_version_flag = true)]
    Apply(apply::Args),
    /// Make a new cluster
    #[command(after_help = STATUSES)]
    Create(create::Args),
    /// Forget a cluster; nothing is done on any host
    #[command(after_help = STATUSES)]
    Delete(delete::Args),
    /// Show every version of a cluster's spec, what it changed and which operation made it
    History(history::Args),
    /// List the clusters
    List,
    /// Show what is wanted of a cluster: its spec
    Show(show::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Adopt(args) => Box::pin(adopt::run(context, args)).await,
        Command::Apply(args) => Box::pin(apply::run(context, args)).await,
        Command::Create(args) => create::run(context, args).await,
        Command::Delete(args) => delete::run(context, args).await,
        Command::History(args) => history::run(context, args).await,
        Command::List => list::run(context).await,
        Command::Show(args) => show::run(context, args).await,
    }
}
