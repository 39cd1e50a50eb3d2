//! `bellows op report`.

use bellows_proto::v1::GetOperationRequest;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        onpaper::{OnPaper, write},
    },
    paper,
};

/// Arguments of `bellows op report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
    #[command(flatten)]
    paper: OnPaper,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetOperationRequest { operation: args.operation };
    let detail = client.answer(client.api.clone().get_operation(request)).await?;
    let document = paper::report(&detail, &args.paper.style());
    write(context, &args.paper, &document, &detail)
}
