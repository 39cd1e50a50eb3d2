//! `bellows status`: members and their health, with the age of what was seen.

use bellows_proto::v1::{ClusterStatus, GetSiteRequest, GetStatusRequest, ListClustersRequest};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One cluster; without it: all
    cluster: Option<String>,
    /// Ask the hosts again instead of showing what was seen last
    #[arg(long)]
    fresh: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut api = client.api.clone();
    // Beside the data: first of all for whoever reads it, and in nobody's way who does not.
    let site = client.answer(api.get_site(GetSiteRequest {})).await?;
    let mut warnings = context.out.note_page();
    render::job::warnings(&mut warnings, &site);
    context.out.note(warnings);
    let one = |cluster: String| GetStatusRequest { cluster, fresh: args.fresh };
    if let Some(cluster) = &args.cluster {
        let status = client.answer(api.get_status(one(cluster.clone()))).await?;
        context.out.data(&status, render::cluster::status)?;
        return Ok(Exit::AsAsked);
    }
    let list = client.answer(api.list_clusters(ListClustersRequest {})).await?;
    let mut all: Vec<ClusterStatus> = Vec::new();
    for cluster in &list.clusters {
        all.push(client.answer(api.get_status(one(cluster.cluster.clone()))).await?);
    }
    context.out.data(&all, |page, all| {
        if all.is_empty() {
            render::cluster::list(page, &[]);
        }
        all.iter().for_each(|status| render::cluster::status(page, status));
    })?;
    Ok(Exit::AsAsked)
}
