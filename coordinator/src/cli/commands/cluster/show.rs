//! `bellows cluster show`.

use bellows_proto::v1::GetClusterRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
    wanted::Wanted,
};

/// Arguments of `bellows cluster show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// As a file for `bellows cluster apply`
    #[arg(long, conflicts_with = "output")]
    toml: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetClusterRequest { cluster: args.cluster };
    let detail = client.answer(client.api.clone().get_cluster(request)).await?;
    if args.toml {
        let wanted = Wanted::of_spec(&detail.spec.unwrap_or_default());
        context.out.text(&wanted.text())?;
        return Ok(Exit::AsAsked);
    }
    context.out.data(&detail, render::cluster::detail)?;
    Ok(Exit::AsAsked)
}
