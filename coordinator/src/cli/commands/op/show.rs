//! `bellows op show`.

use bellows_proto::v1::GetOperationRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows op show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetOperationRequest { operation: args.operation };
    let detail = client.answer(client.api.clone().get_operation(request)).await?;
    context.out.data(&detail, render::operation::detail)?;
    Ok(Exit::AsAsked)
}
