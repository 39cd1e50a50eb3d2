//! `bellows cluster history`.

use bellows_proto::v1::GetClusterHistoryRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows cluster history`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster
    cluster: String,
    /// At most so many versions, the newest ones
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetClusterHistoryRequest { cluster: args.cluster, limit: args.limit };
    let history = client.answer(client.api.clone().get_cluster_history(request)).await?;
    context.out.data(&history, render::history::history)?;
    Ok(Exit::AsAsked)
}
