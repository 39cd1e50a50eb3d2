//! `bellows host add`: looks at all hosts first, shows all that is wrong, asks, and adds them side by side.
//! With the administrator's own ssh, in this process: the coordinator's service logs in nowhere.

mod manual;
mod wanted;

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use bellows_proto::{
    fault::chain,
    names::HostName,
    v1::{
        AddHostsReply, AddedHost, CreateHostTokenRequest, Fault, FaultCode, GetHostRequest,
        GetSiteRequest, HostFinding, HostSummary,
    },
};
use futures::{StreamExt as _, stream};
use zeroize::Zeroizing;

use super::board::Board;
use crate::{
    bootstrap::{
        add::{Coordinator, Looked, Run, outcome, reported},
        bundle::Bundle,
        list::{Destination, Wanted},
        remote::Ways,
        rules::Course,
    },
    cli::{
        Context, agree,
        connect::Client,
        exit::{Exit, Failure},
        render,
    },
};

/// A token for a host that is added right now.
const TOKEN_MINUTES: u32 = 15;

/// Arguments of `bellows host add`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The host's name at this site; several: as many --ssh, in the same order
    #[arg(value_name = "HOST", required_unless_present = "file", conflicts_with = "file")]
    hosts: Vec<HostName>,
    /// Where ssh goes, as the ssh program takes it; its configuration, agent, jump hosts and known hosts
    /// are used, and a host key that is not known is refused
    #[arg(long, value_name = "USER@ADDRESS", conflicts_with_all = ["file", "manual"])]
    ssh: Vec<Destination>,
    /// A file with lines: HOST USER@ADDRESS [ADDRESS]
    #[arg(long, value_name = "FILE", conflicts_with = "manual")]
    file: Option<PathBuf>,
    /// Where the coordinator shall dial the host; default: the address that the login comes to
    #[arg(long, value_name = "ADDRESS", conflicts_with = "file")]
    address: Option<IpAddr>,
    /// A file with the sections of agent.toml that say what may be done there: [systems.postgresql], ...
    #[arg(long, value_name = "FILE")]
    systems: Option<PathBuf>,
    /// The folder with the agents [default: ../share/bellows/agent beside this program]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// In place of the ssh configuration of the user
    #[arg(long, value_name = "FILE", conflicts_with = "manual")]
    ssh_config: Option<PathBuf>,
    /// So many hosts at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=32))]
    at_once: u8,
    /// Only look; nothing is changed
    #[arg(long, conflicts_with = "manual")]
    check: bool,
    /// Add the others although some are refused
    #[arg(long, conflicts_with = "manual")]
    skip_refused: bool,
    /// Print the commands for a host without ssh, with a token that lets it in once
    #[arg(long, requires = "address")]
    manual: bool,
    /// The host's architecture for --manual, as `uname -m` says it there [default: this machine's]
    #[arg(long, value_name = "NAME", hide_default_value = true, default_value = std::env::consts::ARCH, requires = "manual")]
    architecture: String,
    /// How long the token of --manual lets the host in, minutes: at most 7 days
    #[arg(long, value_name = "MINUTES", default_value_t = 60, requires = "manual", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    valid_minutes: u32,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// The coordinator behind the API.
struct Api<'a>(&'a Client);

impl Coordinator for Api<'_> {
    async fn token(&self, host: &HostName) -> Result<(Zeroizing<String>, String), Fault> {
        let request =
            CreateHostTokenRequest { host: host.to_string(), valid_minutes: TOKEN_MINUTES };
        let made = self.0.answer(self.0.api.clone().create_host_token(request)).await;
        let made = made.map_err(|failure| fault_of(&failure))?;
        Ok((made.token.into(), made.enrolment_address))
    }

    async fn host(&self, host: &HostName) -> Result<Option<HostSummary>, Fault> {
        let request = GetHostRequest { host: host.to_string(), inventory: false };
        match self.0.answer(self.0.api.clone().get_host(request)).await {
            Ok(detail) => Ok(detail.summary),
            Err(failure) => match fault_of(&failure) {
                fault if fault.code() == FaultCode::NotFound => Ok(None),
                fault => Err(fault),
            },
        }
    }
}

fn fault_of(failure: &Failure) -> Fault {
    match failure {
        Failure::Told(told) => told.fault.clone(),
        Failure::ClosedPipe => Fault::new(FaultCode::Cancelled, "the output was closed"),
    }
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let systems = wanted::systems(args.systems.as_deref())?;
    let folder = args.bundle.clone().unwrap_or_else(Bundle::usual_folder);
    let bundle = Bundle::read(&folder).map_err(|error| {
        Failure::usage(
            chain(&error),
            "install the package of bellows, or name the folder of its agents with --bundle",
        )
    })?;
    let client = context.client()?;
    if args.manual {
        return manual::run(context, &client, &args, &bundle, &systems).await;
    }
    let wanted = wanted::hosts(&args)?;
    let site = client.answer(client.api.clone().get_site(GetSiteRequest {})).await?;
    if !site.read_only.is_empty() {
        let what = format!("this coordinator lets nobody in: {}", site.read_only);
        return Err(Failure::new(Exit::Refused, what, "add hosts at the coordinator that leads"));
    }
    let ways = Ways::open(args.ssh_config.as_deref()).map_err(|error| {
        let what = format!("no folder for the logins can be made: {error}");
        Failure::usage(what, "see XDG_RUNTIME_DIR and TMPDIR")
    })?;
    let board = Board::new(&context.out);
    let run = Run {
        ways: &ways,
        bundle: &bundle,
        coordinator: &Api(&client),
        site_id: &site.site_id,
        enrolment: &site.enrolment_address,
        systems: &systems,
        now_ms: crate::clock::now_ms,
        progress: &|host: &HostName, stage: &str| board.stage(host.as_str(), stage),
    };
    let hosts = tokio::select! {
        hosts = Box::pin(all(context, &args, &run, &board, &wanted)) => hosts?,
        _ = tokio::signal::ctrl_c() => {
            board.clear();
            return Err(Failure::new(
                Exit::Otherwise,
                "stopped: hosts that were under way are not finished",
                "run the same command again: it goes on where this one stopped",
            ));
        }
    };
    let exit = exit_of(&hosts);
    context.out.data(&AddHostsReply { hosts }, render::added::hosts)?;
    Ok(exit)
}

/// A host after the look: what was seen and is to be done, or why there is nothing to go on with.
enum Judged<'w> {
    Good(Box<Looked<'w>>, Vec<HostFinding>, Course),
    Refused(Box<AddedHost>),
}

async fn all(
    context: &Context,
    args: &Args,
    run: &Run<'_, Api<'_>>,
    board: &Board<'_>,
    wanted: &[Wanted],
) -> Result<Vec<AddedHost>, Failure> {
    let judged = look(args, run, board, wanted).await;
    board.clear();
    let refused = judged.iter().any(|one| matches!(one, Judged::Refused(_)));
    let idle = |one: &Judged<'_>| matches!(one, Judged::Good(_, _, Course::ThereAlready));
    let something = judged.iter().any(|one| matches!(one, Judged::Good(..)) && !idle(one));
    if args.check {
        return Ok(judged.into_iter().map(|one| told(one, outcome::GOOD)).collect());
    }
    if refused && !args.skip_refused {
        return Ok(judged.into_iter().map(|one| told(one, outcome::NOT_TRIED)).collect());
    }
    if something && !args.yes && !agreed(context, &judged)? {
        return Ok(judged.into_iter().map(|one| told(one, outcome::NOT_TRIED)).collect());
    }
    let added = stream::iter(judged)
        .map(async |one| {
            let added = match one {
                Judged::Good(looked, findings, course) => run.add(&looked, findings, course).await,
                Judged::Refused(added) => *added,
            };
            board.over(&added.host, &added.outcome);
            added
        })
        .buffered(usize::from(args.at_once))
        .collect()
        .await;
    board.clear();
    Ok(added)
}

async fn look<'w>(
    args: &Args,
    run: &Run<'_, Api<'_>>,
    board: &Board<'_>,
    wanted: &'w [Wanted],
) -> Vec<Judged<'w>> {
    let looks: Vec<_> = stream::iter(wanted)
        .map(async |one| {
            let looked = run.look(one).await;
            if looked.is_err() {
                board.over(one.host.as_str(), "cannot be looked at");
            }
            (one, looked)
        })
        .buffered(usize::from(args.at_once))
        .collect()
        .await;
    // The first name of a machine; an empty id says nothing.
    let mut machines = BTreeMap::new();
    let mut judged = Vec::new();
    for (one, looked) in looks {
        let looked = match looked {
            Ok(looked) => looked,
            Err(fault) => {
                let refused = reported(one, outcome::REFUSED, Vec::new());
                let refused = AddedHost { fault: Some(fault), ..refused };
                judged.push(Judged::Refused(Box::new(refused)));
                continue;
            }
        };
        let id = looked.survey.machine_id.clone();
        let twin: Option<&str> = machines.get(&id).copied().filter(|_| !id.is_empty());
        let (findings, course) = run.judge(&looked, twin);
        machines.entry(id).or_insert(one.host.as_str());
        if findings.iter().any(|finding| finding.refuses) {
            let refused = reported(one, outcome::REFUSED, findings);
            judged.push(Judged::Refused(Box::new(refused)));
        } else {
            judged.push(Judged::Good(Box::new(looked), findings, course));
        }
    }
    judged
}

/// A host that is not gone on with.
fn told(judged: Judged<'_>, outcome: &str) -> AddedHost {
    match judged {
        Judged::Refused(added) => *added,
        Judged::Good(looked, findings, Course::ThereAlready) => {
            reported(looked.wanted, outcome::THERE, findings)
        }
        Judged::Good(looked, findings, Course::Start | Course::Place) => {
            reported(looked.wanted, outcome, findings)
        }
    }
}

fn agreed(context: &Context, judged: &[Judged<'_>]) -> Result<bool, Failure> {
    let mut page = context.out.note_page();
    let hosts: Vec<AddedHost> = judged
        .iter()
        .map(|one| match one {
            Judged::Refused(added) => AddedHost::clone(added),
            Judged::Good(looked, findings, Course::ThereAlready) => {
                reported(looked.wanted, outcome::THERE, findings.clone())
            }
            Judged::Good(looked, findings, Course::Start) => {
                reported(looked.wanted, "its agent is started", findings.clone())
            }
            Judged::Good(looked, findings, Course::Place) => {
                reported(looked.wanted, "gets the agent", findings.clone())
            }
        })
        .collect();
    render::added::hosts(&mut page, &AddHostsReply { hosts });
    let question = "Put the agent on these hosts and let them in? Type yes: ";
    agree::agreed(context, page, question, "yes", "add --yes to add them")
}

/// The worst that became of any host.
fn exit_of(hosts: &[AddedHost]) -> Exit {
    let any = |outcome: &str| hosts.iter().any(|one| one.outcome == outcome);
    let denied = |one: &AddedHost| one.fault.as_ref().is_none_or(|f| f.code() == FaultCode::Denied);
    let refused = |one: &AddedHost| one.outcome == outcome::REFUSED && denied(one);
    if any(outcome::LEFT) {
        Exit::Otherwise
    } else if any(outcome::FAILED) {
        Exit::BeforeFirstAct
    } else if hosts.iter().any(refused) {
        Exit::Refused
    } else if any(outcome::REFUSED) || any(outcome::NOT_TRIED) {
        Exit::BeforeFirstAct
    } else {
        Exit::AsAsked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_all_hosts_is_the_exit_status() {
        let host = |outcome: &str, code| AddedHost {
            outcome: outcome.to_owned(),
            fault: code,
            ..AddedHost::default()
        };
        let away = || Some(Fault::new(FaultCode::Unreachable, "away"));
        let good = || host(outcome::ADDED, None);
        assert_eq!(exit_of(&[good(), host(outcome::THERE, None)]), Exit::AsAsked);
        assert_eq!(exit_of(&[host(outcome::GOOD, None)]), Exit::AsAsked);
        assert_eq!(exit_of(&[good(), host(outcome::REFUSED, None)]), Exit::Refused);
        assert_eq!(exit_of(&[good(), host(outcome::REFUSED, away())]), Exit::BeforeFirstAct);
        assert_eq!(exit_of(&[good(), host(outcome::FAILED, away())]), Exit::BeforeFirstAct);
        let worst = [host(outcome::LEFT, away()), host(outcome::REFUSED, None)];
        assert_eq!(exit_of(&worst), Exit::Otherwise);
    }
}
