//! `bellows expand`: adds nodes.

use bellows_proto::v1::{Expand, Intent, NodeAt, intent::Verb};

use crate::cli::{
    Context, args,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows expand`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// A new node and its host; may be given several times
    #[arg(long = "node", value_name = "NODE@HOST", required = true, value_parser = args::node_at)]
    nodes: Vec<NodeAt>,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let verb = Some(Verb::Expand(Expand { nodes: args.nodes }));
    // Its system is in its spec.
    let intent = Intent { cluster: args.cluster, verb, ..Intent::default() };
    propose(context, intent, args.planning).await
}
