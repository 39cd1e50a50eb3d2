//! `bellows access revoke`: by the certificate's file, or by its key as `access list` shows it.

use std::path::Path;

use bellows_proto::{
    digest,
    remarks::Reason,
    tls,
    v1::{ListAccessRequest, RevokeAccessRequest},
};

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure},
    page::Tone,
    render,
};

/// Arguments of `bellows access revoke`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The certificate's file, or its key as `access list` shows it
    certificate: String,
    /// Why, e.g. "laptop lost"; it stays in the audit log
    #[arg(long)]
    reason: Reason,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { certificate, reason, yes } = args;
    let client = context.client()?;
    let request = match of_file(&certificate)? {
        Some(request) => request,
        None => {
            let all = client.answer(client.api.clone().list_access(ListAccessRequest {})).await?;
            let known = all.access.into_iter().find(|one| one.key == certificate);
            let known = known.ok_or_else(|| {
                Failure::usage(
                    format!("{certificate} is no file, and no key that is listed"),
                    "bellows access list shows the keys",
                )
            })?;
            RevokeAccessRequest {
                key: known.key,
                name: known.name,
                role: known.role,
                ..RevokeAccessRequest::default()
            }
        }
    };
    if !yes {
        let mut page = context.out.note_page();
        let holder = format!("{} ({}), key {}", request.name, request.role, request.key);
        page.line(Tone::Strong, &holder);
        let what = "Revoke this certificate? It is never accepted again. Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to revoke it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let request = RevokeAccessRequest { reason: reason.to_string(), ..request };
    let reply = client.answer(client.api.clone().revoke_access(request)).await?;
    context.out.data(&reply, render::access::revoked)?;
    Ok(Exit::AsAsked)
}

/// Whose certificate a file holds; `None`: there is no such file.
fn of_file(path: &str) -> Result<Option<RevokeAccessRequest>, Failure> {
    if !Path::new(path).is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, "read", &e))?;
    let facts = tls::certificate_facts(&text).map_err(|e| Failure::file(path, "used", &e))?;
    let holder = tls::certificate_identity(&text).map_err(|e| Failure::file(path, "used", &e))?;
    Ok(Some(RevokeAccessRequest {
        key: digest::hex(&facts.key),
        name: holder.name,
        role: holder.role.to_string(),
        ..RevokeAccessRequest::default()
    }))
}
