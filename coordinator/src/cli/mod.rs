//! The command line: a client of the coordinator's API, and `init` and `serve`. It knows the
//! API's messages and how to show them; it never opens the store (`bellows store` has that done
//! by `serve::offline`, while no coordinator runs).

mod agree;
mod args;
mod commands;
mod connect;
mod exit;
mod follow;
mod onpaper;
mod output;
mod page;
mod propose;
mod render;
pub(crate) mod text;
mod wanted;
pub(crate) mod words;

use clap::{Parser, Subcommand};

pub use exit::{Exit, STATUSES};

use commands::{
    access, apply, audit, ca, cluster, completion, expand, explain, host, init, job, op, plan,
    reconfigure, recover, rejoin, replace, restart, serve, shrink, status, store, switchover,
};
use connect::Client;
use exit::Failure;
use output::Output;

/// Grows and shrinks stateful clusters on bare hosts, step by step, and survives a crash of anything.
#[derive(Debug, Parser)]
#[command(
    name = "bellows",
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = STATUSES
)]
pub struct Cli {
    #[command(flatten)]
    global: args::Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a site: its authority, its first administrator, its empty store
    Init(init::Args),
    /// Run the coordinator
    Serve(serve::Args),
    /// Show the members of clusters and their health
    Status(status::Args),
    /// Hosts and how they are let in
    #[command(subcommand)]
    Host(host::Command),
    /// Certificates of users of the command line on other machines
    #[command(subcommand)]
    Access(access::Command),
    /// The certificate authority of the site
    #[command(subcommand)]
    Ca(ca::Command),
    /// Clusters: make one, list them, show one
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Add nodes to a cluster
    #[command(after_help = STATUSES)]
    Expand(expand::Args),
    /// Take nodes out of a cluster
    #[command(after_help = STATUSES)]
    Shrink(shrink::Args),
    /// Move the primary's role to another member
    #[command(after_help = STATUSES)]
    Switchover(switchover::Args),
    /// Put a node in the place of another, which may live or be dead
    #[command(after_help = STATUSES)]
    Replace(replace::Args),
    /// Let a member that is there and does not follow be a standby again
    #[command(after_help = STATUSES)]
    Rejoin(rejoin::Args),
    /// Restart the servers of a cluster, one after the other, the primary last
    #[command(after_help = STATUSES)]
    Restart(restart::Args),
    /// Change the options of a cluster, with --option
    #[command(after_help = STATUSES)]
    Reconfigure(reconfigure::Args),
    /// Carry out a plan from a file
    #[command(after_help = STATUSES)]
    Apply(apply::Args),
    /// Plans in files: show them, put them on paper
    #[command(subcommand)]
    Plan(plan::Command),
    /// Operations: follow and steer them
    #[command(subcommand)]
    Op(op::Command),
    /// Jobs and fences at the hosts: list them, settle what the journal does not know
    #[command(subcommand)]
    Job(job::Command),
    /// The audit log: who asked for what and all that ran; show it, check it
    Audit(audit::Args),
    /// The store: check it, back it up, restore it, prune old operations
    #[command(subcommand)]
    Store(store::Command),
    /// Make a lost store anew from what the agents keep; the coordinator must be stopped
    #[command(after_help = STATUSES)]
    Recover(recover::Args),
    /// What a code or a word means that Bellows shows, and what to do
    Explain(explain::Args),
    /// A script for the shell that completes commands and options
    Completion(completion::Completion),
    /// The manual pages
    Man(completion::Man),
}

/// What every command has.
struct Context {
    global: args::Global,
    out: Output,
}

impl Context {
    /// A client of the coordinator; dials at its first call.
    fn client(&self) -> Result<Client, Failure> {
        let client = Client::new(&self.global.target()?)?;
        if let Some(ending) = client.ending() {
            let mut page = self.out.note_page();
            page.line(page::Tone::Warn, ending);
            self.out.note(page);
        }
        Ok(client)
    }
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Exit {
    let out = Output::new(cli.global.output);
    let context = Context { global: cli.global, out };
    match Box::pin(dispatch(&context, cli.command)).await {
        Ok(exit) => exit,
        Err(failure) => {
            let mut page = context.out.note_page();
            failure.show(&mut page);
            context.out.note(page);
            failure.exit()
        }
    }
}

async fn dispatch(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Serve(args) => Box::pin(serve::run(context, &args)).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Host(command) => host::run(context, command).await,
        Command::Access(command) => access::run(context, command).await,
        Command::Ca(command) => ca::run(context, command).await,
        Command::Cluster(command) => cluster::run(context, command).await,
        Command::Expand(args) => expand::run(context, args).await,
        Command::Shrink(args) => shrink::run(context, args).await,
        Command::Switchover(args) => switchover::run(context, args).await,
        Command::Replace(args) => replace::run(context, args).await,
        Command::Rejoin(args) => rejoin::run(context, args).await,
        Command::Restart(args) => restart::run(context, args).await,
        Command::Reconfigure(args) => reconfigure::run(context, args).await,
        Command::Apply(args) => Box::pin(apply::run(context, &args)).await,
        Command::Plan(command) => plan::run(context, &command),
        Command::Op(command) => op::run(context, command).await,
        Command::Job(command) => job::run(context, command).await,
        Command::Audit(args) => audit::run(context, args).await,
        Command::Store(command) => store::run(context, command).await,
        Command::Recover(args) => Box::pin(recover::run(context, args)).await,
        Command::Explain(args) => explain::run(context, &args),
        Command::Completion(args) => completion::completion(context, &args),
        Command::Man(args) => completion::man(context, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_description_of_the_command_line_holds() {
        super::Cli::command().debug_assert();
    }
}
