//! `bellows cluster show`.

use bellows_proto::v1::GetClusterRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows cluster show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetClusterRequest { cluster: args.cluster };
    let detail = client.answer(client.api.clone().get_cluster(request)).await?;
    context.out.data(&detail, render::cluster::detail)?;
    Ok(Exit::AsAsked)
}
