//! `bellows host`: who is enrolled, and how hosts are let in.

mod add;
mod board;
mod facts;
mod list;
mod remove;
mod revoke;
mod show;
mod token;
mod upgrade;

use bellows_proto::v1::GetHostRequest;

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure, STATUSES},
    render,
};

/// What can be done with hosts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add hosts by ssh: look at them, put the agent there, let it in, start it
    #[command(after_help = STATUSES)]
    Add(add::Args),
    /// List the hosts and whether their agents answer
    List,
    /// Show a host with what its agent says of it
    Show(show::Args),
    /// Show what a host is made of: kernel, processors, memory, disks, addresses, tools
    Facts(facts::Args),
    /// Remove a host from the site: its certificate is not accepted any more
    #[command(after_help = STATUSES)]
    Remove(remove::Args),
    /// Accept the certificate of a host no longer: it was stolen, or is not ours to trust
    #[command(after_help = STATUSES)]
    Revoke(revoke::Args),
    /// Make a token that lets a host in, once, for a limited time
    Token(token::Args),
    /// Give hosts the agent of the coordinator's version, in rings; what does not come back in time is taken
    /// back by its host
    #[command(after_help = STATUSES)]
    Upgrade(upgrade::Args),
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Add(args) => Box::pin(add::run(context, args)).await,
        Command::List => list::run(context).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Facts(args) => facts::run(context, args).await,
        Command::Remove(args) => remove::run(context, args).await,
        Command::Revoke(args) => revoke::run(context, args).await,
        Command::Token(args) => token::run(context, args).await,
        Command::Upgrade(args) => Box::pin(upgrade::run(context, args)).await,
    }
}

/// Shows a host, and asks whether it is meant. `otherwise`: what to do where nobody can be asked.
async fn agreed(
    context: &Context,
    host: &str,
    what: &str,
    otherwise: &str,
) -> Result<bool, Failure> {
    let client = context.client()?;
    let request = GetHostRequest { host: host.to_owned(), inventory: false };
    let found = client.answer(client.api.clone().get_host(request)).await?;
    let mut page = context.out.note_page();
    render::host::detail(&mut page, &found);
    agree::agreed(context, page, what, "yes", otherwise)
}
