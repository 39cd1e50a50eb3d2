//! `bellows op list`.

use bellows_proto::v1::ListOperationsRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows op list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only operations of this cluster
    cluster: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request =
        ListOperationsRequest { cluster: args.cluster.unwrap_or_default(), limit: args.limit };
    let reply = client.answer(client.api.clone().list_operations(request)).await?;
    context.out.data(&reply, |page, reply| render::operation::list(page, &reply.operations))?;
    Ok(Exit::AsAsked)
}
