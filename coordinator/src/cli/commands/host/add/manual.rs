//! `bellows host add --manual`: the commands on standard output, for a host without ssh.

use bellows_proto::v1::CreateHostTokenRequest;

use super::Args;
use crate::{
    bootstrap::{
        bundle::Bundle,
        manual::{Manual, commands},
    },
    cli::{
        Context,
        connect::Client,
        exit::{Exit, Failure},
        render,
    },
};

pub(super) async fn run(
    context: &Context,
    client: &Client,
    args: &Args,
    bundle: &Bundle,
    systems: &str,
) -> Result<Exit, Failure> {
    let (host, address) = match (args.hosts.as_slice(), args.address) {
        ([host], Some(address)) => (host, address),
        (_, _) => {
            return Err(Failure::usage(
                "--manual is for one host, with --address",
                "call it once for each host",
            ));
        }
    };
    let agent = bundle.agent(&args.architecture).ok_or_else(|| {
        let has = bundle.architectures();
        Failure::usage(
            format!("the bundle has no agent for {}: it has {has}", args.architecture),
            "install the bundle of that architecture, or name its folder with --bundle",
        )
    })?;
    let request =
        CreateHostTokenRequest { host: host.to_string(), valid_minutes: args.valid_minutes };
    let token = client.answer(client.api.clone().create_host_token(request)).await?;
    if context.out.is_json() {
        context.out.json(&token)?;
        return Ok(Exit::AsAsked);
    }
    let text = commands(&Manual {
        host,
        address,
        architecture: &args.architecture,
        agent,
        systems,
        enrolment: &token.enrolment_address,
        token: &token.token,
    });
    context.out.text(&text)?;
    let mut page = context.out.note_page();
    render::host::token_until(&mut page, &token);
    context.out.note(page);
    Ok(Exit::AsAsked)
}
