//! `bellows job settle`: shows what the host has, asks, and has it forgotten there.

use bellows_proto::v1::{ListHostJobsRequest, SettleJobsRequest};

use crate::cli::{
    Context, agree,
    exit::{Exit, Failure},
    render,
};

/// Arguments of `bellows job settle`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host
    host: String,
    /// The operation's id, as `bellows job list --unknown` shows it
    operation: String,
    /// End the jobs of it that still run; without this, that is a refusal
    #[arg(long)]
    end_running: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Args { host, operation, end_running, yes } = args;
    if !yes {
        let request = ListHostJobsRequest { host: host.clone(), unknown: false };
        let mut found = client.answer(client.api.clone().list_host_jobs(request)).await?;
        found.jobs.retain(|job| job.operation == operation);
        let mut page = context.out.note_page();
        render::job::list(&mut page, &found);
        let what = "Forget this there? Nothing that it did is taken back. Type yes: ";
        if !agree::agreed(context, page, what, "yes", "add --yes to settle it")? {
            return Ok(Exit::BeforeFirstAct);
        }
    }
    let request = SettleJobsRequest { host: host.clone(), operation, end_running };
    let reply = client.answer(client.api.clone().settle_jobs(request)).await?;
    context.out.data(&reply, |page, reply| render::job::settled(page, &host, reply))?;
    Ok(Exit::AsAsked)
}
