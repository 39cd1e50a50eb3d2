//! `bellows host revoke`: shows the host, asks, and has its certificate accepted no longer.

use bellows_proto::{remarks::Reason, v1::RevokeHostRequest};

use super::agreed;
use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows host revoke`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
    /// Why, e.g. "disk stolen"; it stays in the audit log
    #[arg(long)]
    reason: Reason,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { host, reason, yes } = args;
    let what =
        "Revoke the certificate of this host? It is let in again with a new token only. Type yes: ";
    if !yes && !agreed(context, &host, what, "add --yes to revoke it").await? {
        return Ok(Exit::BeforeFirstAct);
    }
    let client = context.client()?;
    let request = RevokeHostRequest { host, reason: reason.to_string() };
    let reply = client.answer(client.api.clone().revoke_host(request)).await?;
    context.out.data(&reply, render::host::revoked)?;
    Ok(Exit::AsAsked)
}
