//! `bellows host token`: the token on standard output, what to do with it beside it.

use bellows_proto::v1::CreateHostTokenRequest;

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    render,
    text::escape,
};

/// Arguments of `bellows host token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host's name at this site
    host: String,
    /// How long it lets the host in, minutes: at most 7 days
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_080))]
    valid_minutes: u32,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = CreateHostTokenRequest { host: args.host, valid_minutes: args.valid_minutes };
    let token = client.answer(client.api.clone().create_host_token(request)).await?;
    if context.out.is_json() {
        context.out.json(&token)?;
        return Ok(Exit::AsAsked);
    }
    context.out.text(&format!("{}\n", escape(&token.token)))?;
    let mut page = context.out.note_page();
    render::host::token_help(&mut page, &token);
    context.out.note(page);
    Ok(Exit::AsAsked)
}
