//! `bellows reconfigure`: other options for a cluster that is there.

use bellows_proto::v1::{Intent, Reconfigure, intent::Verb};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    propose::{Planning, propose},
};

/// Arguments of `bellows reconfigure`: which options become others is said with `--option`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    #[command(flatten)]
    planning: Planning,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { cluster, planning } = args;
    let verb = Some(Verb::Reconfigure(Reconfigure {}));
    // Its system is in its spec.
    let intent = Intent { cluster, verb, ..Intent::default() };
    propose(context, intent, planning).await
}
