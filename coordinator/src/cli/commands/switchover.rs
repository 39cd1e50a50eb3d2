//! `bellows switchover`: the primary's role moves to another member.

use bellows_proto::v1::{Intent, Switchover, intent::Verb};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows switchover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// Who becomes primary; the first standby that can take over unless it is given
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let verb = Some(Verb::Switchover(Switchover { to: args.to.unwrap_or_default() }));
    // Its system is in its spec.
    let intent = Intent { cluster: args.cluster, verb, ..Intent::default() };
    propose(context, intent, args.planning).await
}
