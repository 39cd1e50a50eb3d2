//! `bellows replace`: one node goes, another one comes.

use bellows_proto::v1::{Intent, NodeAt, Replace, intent::Verb};

use crate::cli::{
    Context, args,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows replace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// The node that goes
    #[arg(long, value_name = "NODE")]
    node: String,
    /// The node that comes, and its host
    #[arg(long, value_name = "NODE@HOST", value_parser = args::node_at)]
    with: NodeAt,
    /// The host of the node that goes is dead: it is not asked, and must be off
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { cluster, node, with, dead, planning } = args;
    let verb = Some(Verb::Replace(Replace { node, with: Some(with), dead }));
    // Its system is in its spec.
    let intent = Intent { cluster, verb, ..Intent::default() };
    propose(context, intent, planning).await
}
