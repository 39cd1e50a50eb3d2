//! `bellows serve`: runs the coordinator.

use bellows_proto::fault::chain;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
    },
    serve::{self, Options},
};

/// Arguments of `bellows serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Lead this site although agents have obeyed another coordinator: only when that one is
    /// certainly gone for good
    #[arg(long)]
    take_over: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    serve::log::start();
    let options = Options { site: context.global.site_folder(), take_over: args.take_over };
    serve::serve_all_systems(&options).await.map_err(|error| {
        tracing::error!(error = chain(&error), "the coordinator ends");
        Failure::new(
            Exit::BeforeFirstAct,
            format!("the coordinator ends: {}", chain(&error)),
            "mend the cause, then start it again: operations go on where they were",
        )
    })?;
    Ok(Exit::AsAsked)
}
