//! `bellows host remove`: shows the host, asks, and has the site forget it.

use bellows_proto::v1::{GetHostRequest, RemoveHostRequest};

use crate::cli::{
    Context, agree,
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
    let client = context.client()?;
    let Args { host, never_back, yes } = args;
    if !yes {
        let request = GetHostRequest { host: host.clone(), inventory: false };
        let found = client.answer(client.api.clone().get_host(request)).await?;
        let mut page = context.out.note_page();
        render::host::detail(&mut page, &found);
        let what = "Remove this host? Its certificate is never accepted again. Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to remove it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let request = RemoveHostRequest { host, never_back };
    let reply = client.answer(client.api.clone().remove_host(request)).await?;
    context.out.data(&reply, render::host::removed)?;
    Ok(Exit::AsAsked)
}
