//! `bellows host remove`: shows the host, asks, and has the site forget it.

use bellows_proto::v1::RemoveHostRequest;

use super::agreed;
use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows host remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
    /// The machine never comes back with its disks: remove it although it is owed a tombstone
    #[arg(long)]
    never_back: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { host, never_back, yes } = args;
    let what = "Remove this host? Its certificate is never accepted again. Type yes: ";
    if !yes && !agreed(context, &host, what, "add --yes to remove it").await? {
        return Ok(Exit::BeforeFirstAct);
    }
    let client = context.client()?;
    let request = RemoveHostRequest { host, never_back };
    let reply = client.answer(client.api.clone().remove_host(request)).await?;
    context.out.data(&reply, render::host::removed)?;
    Ok(Exit::AsAsked)
}
