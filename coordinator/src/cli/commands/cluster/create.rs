//! `bellows cluster create`.

use bellows_proto::v1::{Create, Intent, NodeAt, System, intent::Verb};

use crate::cli::{
    Context, args,
    exit::{Exit, Failure},
    propose::{Planning, propose},
    words,
};

/// Arguments of `bellows cluster create`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The new cluster's name
    cluster: String,
    /// The kind of software
    #[arg(long, value_parser = words::parse_system)]
    system: System,
    /// A node and its host; the first one leads where the system has a leader; may be given
    /// several times
    #[arg(long = "node", value_name = "NODE@HOST", required = true, value_parser = args::node_at)]
    nodes: Vec<NodeAt>,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let intent = Intent {
        cluster: args.cluster,
        system: args.system.into(),
        verb: Some(Verb::Create(Create { nodes: args.nodes })),
        ..Intent::default()
    };
    propose(context, intent, args.planning).await
}
