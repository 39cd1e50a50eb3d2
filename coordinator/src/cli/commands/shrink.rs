//! `bellows shrink`: takes nodes out.

use bellows_proto::v1::{Intent, Shrink, intent::Verb};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows shrink`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// A node that leaves; may be given several times
    #[arg(long = "node", value_name = "NODE", required_unless_present = "by")]
    nodes: Vec<String>,
    /// Instead of names: so many standbys, the last by name first, never the primary
    #[arg(long, value_name = "N", conflicts_with = "nodes", value_parser = clap::value_parser!(u32).range(1..=100))]
    by: Option<u32>,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let verb = Some(Verb::Shrink(Shrink { nodes: args.nodes, by: args.by.unwrap_or(0) }));
    // Its system is in its spec.
    let intent = Intent { cluster: args.cluster, verb, ..Intent::default() };
    propose(context, intent, args.planning).await
}
