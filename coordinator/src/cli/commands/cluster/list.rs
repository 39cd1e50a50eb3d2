//! `bellows cluster list`.

use bellows_proto::v1::ListClustersRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
};

pub async fn run(context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let reply = client.answer(client.api.clone().list_clusters(ListClustersRequest {})).await?;
    context.out.data(&reply, |page, reply| render::cluster::list(page, &reply.clusters))?;
    Ok(Exit::AsAsked)
}
