//! `bellows restart`: the servers of a cluster are restarted, one after the other.

use bellows_proto::v1::{Intent, Restart, intent::Verb};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows restart`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// Only the server of this node; may be given several times
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Restart the primary as primary: writers wait for its restart. Without it, its role moves to a
    /// standby first
    #[arg(long)]
    in_place: bool,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let verb = Some(Verb::Restart(Restart { nodes: args.nodes, in_place: args.in_place }));
    // Its system is in its spec.
    let intent = Intent { cluster: args.cluster, verb, ..Intent::default() };
    propose(context, intent, args.planning).await
}
