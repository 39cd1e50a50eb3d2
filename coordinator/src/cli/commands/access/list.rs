//! `bellows access list`.

use bellows_proto::v1::ListAccessRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let reply = client.answer(client.api.clone().list_access(ListAccessRequest {})).await?;
    context.out.data(&reply, |page, reply| render::access::list(page, &reply.access))?;
    Ok(Exit::AsAsked)
}
