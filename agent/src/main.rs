//! The `bellows-agent` program: a thin `main` over the library.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bellows_agent::{
    break_glass::{self, JobVerb, NoSuchJob},
    config::{self, Config, ConfigError},
    enrol::TokenArgs,
    exec::launch,
    pages::{self, CompletionArgs, ManArgs},
    plain::{self, SudoersArgs},
    programs::start::{self, Purpose},
    run::{self, ServiceVerb},
};
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Bad usage or configuration.
const BAD_INPUT: u8 = 2;

/// The Bellows agent: wraps the admin tools of this host behind typed calls.
#[derive(Parser)]
#[command(name = "bellows-agent", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the coordinator
    Run(ConfigArg),
    /// Check the configuration and say all that is wrong with it
    CheckConfig(ConfigArg),
    /// Get this host's identity with a one-time token
    Enrol {
        #[command(flatten)]
        config: ConfigArg,
        /// The coordinator's enrolment address
        #[arg(long, value_name = "HOST:PORT")]
        coordinator: String,
        #[command(flatten)]
        token: TokenArgs,
    },
    /// Start, stop or show a service of a node, where there is no systemd
    Service {
        #[command(subcommand)]
        verb: ServiceCommand,
    },
    /// Show and end the jobs of this host, also when the agent is down
    Job {
        #[command(subcommand)]
        verb: JobVerb,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// What an agent without root is allowed by sudo: exact command lines
    Sudoers {
        #[command(flatten)]
        what: SudoersArgs,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// A script for the shell that completes commands and options
    Completion(CompletionArgs),
    /// The manual pages
    Man(ManArgs),
    /// Perform one job (started by the agent)
    #[command(hide = true)]
    Shim {
        #[command(flatten)]
        config: ConfigArg,
        /// The job's folder
        #[arg(long)]
        job: Utf8PathBuf,
    },
    /// Take a program back that was not confirmed (started by a timer)
    #[command(hide = true)]
    TakeBack {
        #[command(flatten)]
        config: ConfigArg,
        /// The trial's id
        #[arg(long)]
        trial: String,
        /// The agent's unit
        #[arg(long)]
        unit: String,
    },
}

impl Command {
    /// Whether another program may do this in our place. What a job or a timer starts is the very program
    /// that was named.
    fn chooses(&self) -> Option<(&Utf8Path, Purpose)> {
        match self {
            Self::Run(config) => Some((&config.path, Purpose::Serve)),
            Self::CheckConfig(config) | Self::Enrol { config, .. } | Self::Job { config, .. } => {
                Some((&config.path, Purpose::Ask))
            }
            Self::Service { .. }
            | Self::Completion(_)
            | Self::Man(_)
            | Self::Shim { .. }
            | Self::Sudoers { .. }
            | Self::TakeBack { .. } => None,
        }
    }
}

#[derive(Subcommand)]
enum ServiceCommand {
    /// Start it, unless it runs
    Start(ServiceArgs),
    /// Stop it
    Stop(ServiceArgs),
    /// Show how it is
    Status(ServiceArgs),
}

#[derive(Args)]
struct ServiceArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Args)]
struct ConfigArg {
    /// The agent's configuration
    #[arg(long = "config", value_name = "FILE", default_value = config::DEFAULT_PATH, global = true)]
    path: Utf8PathBuf,
}

impl ConfigArg {
    fn load(&self) -> Result<Config, ConfigError> {
        config::load(&self.path)
    }
}

fn main() -> ExitCode {
    // Before anything else: it becomes another program.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == launch::COMMAND) {
        return ExitCode::from(launch::main(words));
    }
    let cli = Cli::parse();
    logs();
    if let Some((config, purpose)) = cli.command.chooses() {
        start::become_chosen(config, purpose);
    }
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bellows-agent: {error:#}");
            let bad = error.is::<ConfigError>() || error.is::<NoSuchJob>();
            if bad { ExitCode::from(BAD_INPUT) } else { ExitCode::FAILURE }
        }
    }
}

fn logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    // Set by systemd when our output goes to the journal.
    let journald = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journald {
        Some(layer) => registry.with(layer).init(),
        None => {
            use std::io::IsTerminal as _;
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
            registry.with(layer.with_ansi(colour)).init();
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn execute(command: Command) -> Result<()> {
    match command {
        Command::Run(config) => run::run(config.load()?).await,
        Command::CheckConfig(config) => run::check_config(&config.path),
        Command::Enrol { config, coordinator, token } => {
            run::enrol(config.load()?, &coordinator, &token).await.context("enrolment failed")
        }
        Command::Job { verb, config } => break_glass::job(config.load()?, verb).await,
        Command::Shim { config, job } => run::shim(config.load()?, &job).await,
        Command::Sudoers { what, config } => {
            plain::sudoers(config.load()?, &what, run::local).await
        }
        Command::TakeBack { config, trial, unit } => {
            run::take_back(&config.path, &trial, &unit).await
        }
        Command::Completion(args) => pages::completion(Cli::command(), &args),
        Command::Man(args) => pages::man(Cli::command(), &args),
        Command::Service { verb } => match verb {
            ServiceCommand::Start(args) => service(args, ServiceVerb::Start).await,
            ServiceCommand::Stop(args) => service(args, ServiceVerb::Stop).await,
            ServiceCommand::Status(args) => service(args, ServiceVerb::Status).await,
        },
    }
}

async fn service(args: ServiceArgs, verb: ServiceVerb) -> Result<()> {
    run::service(args.config.load()?, verb, &args.name).await
}
