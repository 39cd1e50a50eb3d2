//! `bellows status`: members and their health, with the age of what was seen.

use bellows_proto::v1::{GetOverviewRequest, GetSiteRequest, GetStatusRequest, Site};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One cluster with its members; without it: the whole site on one screen
    cluster: Option<String>,
    /// Ask the hosts again instead of showing what was seen last
    #[arg(long)]
    fresh: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let mut api = client.api.clone();
    if let Some(cluster) = &args.cluster {
        let site = client.answer(api.get_site(GetSiteRequest {})).await?;
        warn(context, &site);
        let request = GetStatusRequest { cluster: cluster.clone(), fresh: args.fresh };
        let status = client.answer(api.get_status(request)).await?;
        context.out.data(&status, render::cluster::status)?;
        return Ok(Exit::AsAsked);
    }
    let request = GetOverviewRequest { fresh: args.fresh };
    let overview = client.answer(api.get_overview(request)).await?;
    if let Some(site) = &overview.site {
        warn(context, site);
    }
    context.out.data(&overview, render::overview::overview)?;
    Ok(Exit::AsAsked)
}

/// Beside the data: first of all for whoever reads it, and in nobody's way who does not.
fn warn(context: &Context, site: &Site) {
    let mut warnings = context.out.note_page();
    render::job::warnings(&mut warnings, site);
    context.out.note(warnings);
}
