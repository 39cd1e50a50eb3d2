//! `bellows op watch`: its exit status is that of the operation.

use bellows_proto::v1::Outcome;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    follow::{Sink, follow},
};

/// Arguments of `bellows op watch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    follow(context, &client, &args.operation, 0, Outcome::Done, Sink::Data).await
}
