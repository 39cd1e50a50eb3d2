//! `bellows access issue`: the key is made here, and never leaves this machine.

use std::path::PathBuf;

use bellows_proto::{tls::Credentials, v1::IssueAccessRequest};

use crate::{
    ca,
    cli::{
        Context,
        exit::{Exit, Failure},
        page::Tone,
    },
    site,
};

/// Arguments of `bellows access issue`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user's name: a-z, 0-9 and '-'
    name: String,
    /// What the user may do
    #[arg(long, value_parser = ["viewer", "operator", "admin"])]
    role: String,
    /// The folder for NAME.key, NAME.crt and authority.crt, for --identity
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let Args { name, role, out } = args;
    let client = context.client()?;
    let shown = out.display().to_string();
    // What cannot be kept is not asked for.
    site::make_user_folder(&out, &name).map_err(|e| Failure::file(&shown, "used", &e))?;
    let (key, certificate_request) =
        ca::request().map_err(|e| Failure::file(&shown, "used", &e))?;
    let request = IssueAccessRequest { name: name.clone(), role, certificate_request };
    let reply = client.answer(client.api.clone().issue_access(request)).await?;
    let user = Credentials {
        certificate: reply.certificate,
        private_key: key.to_string(),
        authority: reply.authority,
    };
    site::keep_user(&out, &name, &user).map_err(|e| Failure::file(&shown, "written", &e))?;
    if context.out.is_json() {
        let access = reply.access.unwrap_or_default();
        context.out.json(&access)?;
        return Ok(Exit::AsAsked);
    }
    let mut page = context.out.note_page();
    let text = format!("{shown} has the key and the certificate of {name}, for --identity.");
    page.line(Tone::Plain, &text);
    context.out.note(page);
    Ok(Exit::AsAsked)
}
