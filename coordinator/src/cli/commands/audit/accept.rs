//! `bellows audit accept`: shows what contradicts the host's log, asks, and takes it as it is.

use bellows_proto::v1::{AcceptAuditRequest, VerifyAuditRequest};

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure},
    page::Tone,
    render,
};

/// Arguments of `bellows audit accept`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
    /// Why its log is another one, e.g. "disk replaced, enrolled again"; it stays in the audit log
    #[arg(long)]
    reason: String,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Args { host, reason, yes } = args;
    if !yes {
        let request = VerifyAuditRequest { hosts: vec![host.clone()] };
        let found = client.answer(client.api.clone().verify_audit(request)).await?;
        let mut page = context.out.note_page();
        render::audit::verification(&mut page, &found);
        let what = "Take this host's log as it is? What was in it before can never be checked again. Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to accept it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let request = AcceptAuditRequest { host: host.clone(), reason };
    let reply = client.answer(client.api.clone().accept_audit(request)).await?;
    context.out.data(&reply, |page, reply| {
        let at = reply.agent.as_ref().map_or(0, |head| head.number);
        let text = format!(
            "The log of host {host} is taken as it is, up to its record {at}: record {} of the coordinator's log tells of it.",
            reply.number
        );
        page.line(Tone::Plain, &text);
    })?;
    Ok(Exit::AsAsked)
}
