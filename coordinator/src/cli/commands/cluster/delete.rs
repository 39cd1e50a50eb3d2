//! `bellows cluster delete`: shows the spec, asks for the cluster's name, and has it forgotten.

use bellows_proto::v1::{DeleteClusterRequest, GetClusterRequest};

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows cluster delete`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// Also one that has nodes, or owes a dead host a tombstone: they are left to themselves
    #[arg(long)]
    forget_nodes: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Args { cluster, forget_nodes, yes } = args;
    let request = GetClusterRequest { cluster: cluster.clone() };
    let found = client.answer(client.api.clone().get_cluster(request)).await?;
    if !yes {
        let mut page = context.out.note_page();
        render::cluster::detail(&mut page, &found);
        let what = "Forget this cluster, with all versions of its spec? Nothing is done on its hosts. Type its name: ";
        if !agree::agreed(context, page, what, &cluster, "add --yes to forget it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let spec_version = found.spec.unwrap_or_default().version;
    let request = DeleteClusterRequest { cluster, spec_version, forget_nodes };
    let reply = client.answer(client.api.clone().delete_cluster(request)).await?;
    context.out.data(&reply, render::cluster::forgotten)?;
    Ok(Exit::AsAsked)
}
