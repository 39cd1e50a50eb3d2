//! `bellows host show`.

use bellows_proto::v1::GetHostRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows host show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetHostRequest { host: args.host, inventory: false };
    let detail = client.answer(client.api.clone().get_host(request)).await?;
    context.out.data(&detail, render::host::detail)?;
    Ok(Exit::AsAsked)
}
