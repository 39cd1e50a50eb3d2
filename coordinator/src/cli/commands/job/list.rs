//! `bellows job list`.

use bellows_proto::v1::ListHostJobsRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows job list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One host; without it: all
    host: Option<String>,
    /// Only what the journal does not know: of operations that it does not know or that are over,
    /// and jobs that an open operation never asked for
    #[arg(long)]
    unknown: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request =
        ListHostJobsRequest { host: args.host.unwrap_or_default(), unknown: args.unknown };
    let reply = client.answer(client.api.clone().list_host_jobs(request)).await?;
    context.out.data(&reply, render::job::list)?;
    Ok(Exit::AsAsked)
}
