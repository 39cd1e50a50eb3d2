//! `bellows rejoin`: a member that is there and does not follow becomes a standby again.

use bellows_proto::v1::{Intent, Rejoin, intent::Verb};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows rejoin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// The member that comes back
    #[arg(long, value_name = "NODE")]
    node: String,
    /// Discard its data and copy them anew from the primary: what exists only there is lost
    #[arg(long)]
    discard_data: bool,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { cluster, node, discard_data, planning } = args;
    let verb = Some(Verb::Rejoin(Rejoin { node, discard_data }));
    // Its system is in its spec.
    let intent = Intent { cluster, verb, ..Intent::default() };
    propose(context, intent, planning).await
}
