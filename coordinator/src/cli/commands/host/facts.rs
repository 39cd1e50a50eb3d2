//! `bellows host facts`.

use bellows_proto::v1::GetHostRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure, Told},
    render,
};

/// Arguments of `bellows host facts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = GetHostRequest { host: args.host, inventory: true };
    let detail = client.answer(client.api.clone().get_host(request)).await?;
    match (detail.inventory, detail.fault) {
        (Some(inventory), _) => {
            context.out.data(&inventory, render::host::inventory)?;
            Ok(Exit::AsAsked)
        }
        (None, Some(fault)) => {
            Err(Failure::Told(Box::new(Told { exit: Exit::BeforeFirstAct, fault })))
        }
        (None, None) => Err(Failure::new(
            Exit::Usage,
            "the coordinator does not know this call",
            "bring command line and coordinator to the same version",
        )),
    }
}
