//! `bellows ca rotate`: each phase by a word of its own, so that a person sees each.

use bellows_proto::v1::{GetRotationRequest, RotateAuthorityRequest, Rotation};

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure, STATUSES},
    page::Tone,
    render,
};

/// What can be done with a rotation.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the phase, what each host lacks for it, and what comes next
    Status,
    /// Make a new authority, which hosts learn to trust beside the old one
    #[command(after_help = STATUSES)]
    Start(Start),
    /// Begin the next phase; refused while somebody is not as far
    #[command(after_help = STATUSES)]
    Next(Next),
    /// Go back to the old authority; not after the old one is being taken away
    #[command(after_help = STATUSES)]
    Back(Start),
}

/// Arguments of `bellows ca rotate start` and `back`.
#[derive(Debug, clap::Args)]
pub struct Start {
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Arguments of `bellows ca rotate next`.
#[derive(Debug, clap::Args)]
pub struct Next {
    /// Users whose certificates end with it do not hold it up: they need new ones
    #[arg(long)]
    without_users: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let client = context.client()?;
    let now: Rotation =
        client.answer(client.api.clone().get_rotation(GetRotationRequest {})).await?;
    let (step, without_users, yes) = match command {
        Command::Status => {
            context.out.data(&now, render::ca::status)?;
            return Ok(Exit::AsAsked);
        }
        Command::Start(Start { yes }) => ("start", false, yes),
        Command::Next(Next { without_users, yes }) => ("next", without_users, yes),
        Command::Back(Start { yes }) => ("back", false, yes),
    };
    if !yes {
        let mut page = context.out.note_page();
        page.line(Tone::Strong, render::ca::means(step, &now.next));
        let what = "Go on? Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to do it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let request = RotateAuthorityRequest { step: step.to_owned(), without_users };
    let reply = client.answer(client.api.clone().rotate_authority(request)).await?;
    context.out.data(&reply, render::ca::status)?;
    Ok(Exit::AsAsked)
}
