//! `bellows cluster adopt`.

use bellows_proto::v1::{Adopt, AdoptFrom, Intent, System, intent::Verb};

use crate::cli::{
    Context, args,
    exit::{Exit, Failure},
    propose::{Planning, propose},
    words,
};

/// Arguments of `bellows cluster adopt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name that the cluster gets here
    cluster: String,
    /// The kind of software
    #[arg(long, value_parser = words::parse_system)]
    system: System,
    /// A host of the cluster, and the port of its member where the host has several servers; once for
    /// each member
    #[arg(long = "host", value_name = "HOST[:PORT]", required = true, value_parser = args::host_port)]
    hosts: Vec<AdoptFrom>,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let intent = Intent {
        cluster: args.cluster,
        system: args.system.into(),
        verb: Some(Verb::Adopt(Adopt { from: args.hosts })),
        ..Intent::default()
    };
    propose(context, intent, args.planning).await
}
