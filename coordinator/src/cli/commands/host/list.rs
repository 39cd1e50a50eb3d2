//! `bellows host list`.

use bellows_proto::v1::ListHostsRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let reply = client.answer(client.api.clone().list_hosts(ListHostsRequest {})).await?;
    context.out.data(&reply, |page, reply| render::host::list(page, &reply.hosts))?;
    Ok(Exit::AsAsked)
}
