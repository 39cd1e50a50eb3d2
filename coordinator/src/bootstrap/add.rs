//! How one host is added: a look, a judgement, then step by step, each of which may be cut off.
//!
//! Up to the enrolment a failure takes everything back. After it the host has its identity: what is there
//! stays, is named, and the same command goes on.

use std::{net::IpAddr, time::Duration};

use bellows_proto::{
    digest,
    names::HostName,
    v1::{AddedHost, Fault, FaultCode, HostFinding, HostSummary},
};

use super::{
    bundle::{Bundle, File},
    list::Wanted,
    place::{self, Placing},
    remote::{Script, Ways},
    rules::{self, AGENT_PORT, Course, Ground},
    survey::{self, Sudo, Survey},
};

/// A look takes a second or two; its parts have deadlines of their own.
const SURVEY_LIMIT: Duration = Duration::from_secs(120);
/// A started agent is connected within seconds: the coordinator tries again at least that often.
const CONNECTED_LIMIT: Duration = Duration::from_secs(90);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What became of a host, as `AddedHost` says it.
pub mod outcome {
    /// Added: the coordinator talks to its agent.
    pub const ADDED: &str = "added";
    /// Nothing was to be done.
    pub const THERE: &str = "there already";
    /// Only looked at; nothing stands against it.
    pub const GOOD: &str = "can be added";
    /// A rule stands against it; nothing was changed.
    pub const REFUSED: &str = "refused";
    /// It failed, and all was taken back.
    pub const FAILED: &str = "failed";
    /// It failed, and something is left.
    pub const LEFT: &str = "failed, not all taken back";
    /// Another host was refused, or it was not agreed to.
    pub const NOT_TRIED: &str = "not tried";
}

/// The coordinator, as far as adding needs it.
pub trait Coordinator {
    /// A token for a host, and the enrolment address.
    fn token(
        &self,
        host: &HostName,
    ) -> impl Future<Output = Result<(zeroize::Zeroizing<String>, String), Fault>>;
    /// What it knows of a host; `None`: there is none of this name.
    fn host(&self, host: &HostName) -> impl Future<Output = Result<Option<HostSummary>, Fault>>;
}

/// What all hosts of one run have in common.
pub struct Run<'a, C> {
    /// The logins.
    pub ways: &'a Ways,
    /// The agents to be copied.
    pub bundle: &'a Bundle,
    /// Whom to ask.
    pub coordinator: &'a C,
    /// The site's id.
    pub site_id: &'a str,
    /// Where agents enrol, HOST:PORT.
    pub enrolment: &'a str,
    /// Lines for `agent.toml` after `[agent]`.
    pub systems: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: fn() -> i64,
    /// Told at each stage: the host, and what is done now.
    pub progress: &'a dyn Fn(&HostName, &str),
}

/// A host that was looked at.
#[derive(Debug)]
pub struct Looked<'a> {
    /// Which.
    pub wanted: &'a Wanted,
    /// What was seen.
    pub survey: Survey,
    known: Option<HostSummary>,
    asked_ms: (i64, i64),
}

impl<C: Coordinator> Run<'_, C> {
    /// Logs in and looks; changes nothing.
    ///
    /// # Errors
    /// If there is no login, or what was seen cannot be believed.
    pub async fn look<'w>(&self, wanted: &'w Wanted) -> Result<Looked<'w>, Fault> {
        let host = &wanted.host;
        (self.progress)(host, "logging in");
        let known = self.coordinator.host(host).await?;
        let remote = self.ways.login(&wanted.destination).await.map_err(|f| f.at(host.as_str()))?;
        (self.progress)(host, "looking");
        let (address, port) = self.enrolment.rsplit_once(':').unwrap_or((self.enrolment, ""));
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let agent_port = AGENT_PORT.to_string();
        let script = Script {
            what: "survey",
            text: survey::SCRIPT,
            arguments: &[&agent_port, address, port],
            input: b"",
            sudo: false,
            limit: SURVEY_LIMIT,
        };
        let before = (self.now_ms)();
        let ended = remote.run(script).await;
        let asked_ms = (before, (self.now_ms)());
        // An administrator may take a while to agree: the login does not wait for that.
        remote.close().await;
        let ended = ended.map_err(|fault| fault.at(host.as_str()))?;
        let survey = survey::parse(&ended.stdout).map_err(|error| {
            Fault::new(FaultCode::Unreadable, error.to_string())
                .tool(&["sh".to_owned()], ended.status, &ended.stderr)
                .remedy("the login's own files (.bashrc) must not stop a command; report this as a bug if they do not")
                .at(host.as_str())
        })?;
        Ok(Looked { wanted, survey, known, asked_ms })
    }

    /// All that is to be said of a host, and what is to be done with it. `twin`: another name of this run
    /// that is the same machine.
    pub fn judge(&self, looked: &Looked<'_>, twin: Option<&str>) -> (Vec<HostFinding>, Course) {
        let architectures = self.bundle.architectures();
        let agent = self.bundle.agent(&looked.survey.machine);
        let ground = Ground {
            host: &looked.wanted.host,
            address: looked.wanted.address,
            site_id: self.site_id,
            known: looked.known.as_ref(),
            agent: agent.map(|agent| {
                let length = u64::try_from(agent.program.bytes.len()).unwrap_or(u64::MAX);
                (length, agent.program.digest.as_str())
            }),
            architectures: &architectures,
            asked_ms: looked.asked_ms,
            twin,
        };
        (rules::judge(&looked.survey, &ground), rules::course(&looked.survey, &ground))
    }

    /// Adds a host against which no rule stands.
    pub async fn add(
        &self,
        looked: &Looked<'_>,
        findings: Vec<HostFinding>,
        course: Course,
    ) -> AddedHost {
        let mut added = reported(looked.wanted, outcome::THERE, findings);
        added.summary.clone_from(&looked.known);
        if course == Course::ThereAlready {
            return added;
        }
        let (outcome, left, fault) = match self.change(looked, course).await {
            Ok(summary) => {
                added.summary = Some(summary);
                (outcome::ADDED, Vec::new(), None)
            }
            Err((fault, left)) if left.is_empty() => (outcome::FAILED, left, Some(fault)),
            Err((fault, left)) => (outcome::LEFT, left, Some(fault)),
        };
        outcome.clone_into(&mut added.outcome);
        (added.left, added.fault) = (left, fault);
        added
    }

    /// The fault comes with what is left on the host.
    async fn change(
        &self,
        looked: &Looked<'_>,
        course: Course,
    ) -> Result<HostSummary, (Fault, Vec<String>)> {
        let host = &looked.wanted.host;
        let login = self.ways.login(&looked.wanted.destination).await;
        let remote = login.map_err(|fault| (fault.at(host.as_str()), Vec::new()))?;
        let sudo = looked.survey.sudo != Sudo::Root;
        let placing = Placing { remote: &remote, host: host.as_str(), sudo };
        let changed = match course {
            Course::ThereAlready => Ok(()),
            Course::Start => self.start(host, &placing).await,
            Course::Place => match self.place(looked, &placing).await {
                Ok(()) => self.start(host, &placing).await,
                Err(fault) => {
                    (self.progress)(host, "taking it back");
                    let undone = placing.undo().await;
                    Err((fault, undone.unwrap_or_else(|_| vec![place::LEDGER.to_owned()])))
                }
            },
        };
        remote.close().await;
        changed?;
        (self.progress)(host, "waiting for the connection");
        self.connected(host).await.map_err(|fault| (fault, all_left()))
    }

    /// Everything up to the certificate.
    async fn place(&self, looked: &Looked<'_>, placing: &Placing<'_>) -> Result<(), Fault> {
        let host = &looked.wanted.host;
        let survey = &looked.survey;
        placing.begin().await?;
        // The program of a package is the package's, and so is its unit.
        let packaged = survey.program.as_ref().is_some_and(|program| program.package.is_some());
        if let Some(agent) = self.bundle.agent(&survey.machine).filter(|_| !packaged) {
            (self.progress)(host, "copying the agent");
            placing.put_agent(agent).await?;
        }
        let old = rules::is_old(survey);
        if old {
            placing
                .put(place::OLD_UNIT_PATH, "0644", &file(place::OLD_UNIT_PATH, place::OLD_UNIT))
                .await?;
        }
        let address = rules::address_of(survey, looked.wanted.address);
        // One that is there already is the administrator's. A run that was cut off wrote its own.
        let kept = survey.config.is_some() && survey.unfinished.is_none();
        if let Some(address) = address.filter(|_| !kept) {
            let launch = if old { "launch = \"process\"\n" } else { "" };
            let text = config_text(host, address, launch, self.systems);
            placing.put(place::CONFIG, "0600", &file(place::CONFIG, &text)).await?;
        }
        placing.prove().await?;
        (self.progress)(host, "enrolling");
        let (token, coordinator) = self.coordinator.token(host).await?;
        placing.enrol(&coordinator, &token).await
    }

    /// From here on the host has its identity: nothing is taken back.
    async fn start(
        &self,
        host: &HostName,
        placing: &Placing<'_>,
    ) -> Result<(), (Fault, Vec<String>)> {
        (self.progress)(host, "starting the agent");
        let started = async {
            // Of a run that only starts, too: the ledger is written to.
            placing.begin().await?;
            placing.start().await?;
            placing.finish().await
        };
        started.await.map_err(|fault| (fault, all_left()))
    }

    /// Waits until the coordinator talks to the agent.
    async fn connected(&self, host: &HostName) -> Result<HostSummary, Fault> {
        let deadline = tokio::time::Instant::now() + CONNECTED_LIMIT;
        loop {
            let seen = self.coordinator.host(host).await?;
            let reason = match seen {
                Some(summary) if summary.state == "connected" => return Ok(summary),
                Some(summary) => summary.reason,
                None => "it is not enrolled".to_owned(),
            };
            if tokio::time::Instant::now() > deadline {
                let what = "the agent runs, but the coordinator does not reach it";
                return Err(Fault::new(FaultCode::Unreachable, format!("{what}: {reason}"))
                    .remedy(format!(
                        "let TCP port {AGENT_PORT} in there from the coordinator, then run the same command again"
                    ))
                    .at(host.as_str()));
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

/// What an agent that has its identity has on its host.
fn all_left() -> Vec<String> {
    [place::PROGRAM, place::UNIT, place::CONFIG, place::DATA].map(str::to_owned).into()
}

/// An entry of the reply.
pub fn reported(wanted: &Wanted, outcome: &str, findings: Vec<HostFinding>) -> AddedHost {
    AddedHost {
        host: wanted.host.to_string(),
        destination: wanted.destination.to_string(),
        outcome: outcome.to_owned(),
        findings,
        ..AddedHost::default()
    }
}

/// What `agent.toml` says of a new host.
pub(super) fn config_text(host: &HostName, address: IpAddr, launch: &str, systems: &str) -> String {
    format!(
        "# Written by `bellows host add`. What may be done on this host is said here.\n\
         [agent]\nhost = \"{host}\"\naddress = \"{address}\"\n{launch}{systems}"
    )
}

fn file(path: &str, text: &str) -> File {
    let digest = digest::hex(&digest::of_bytes(text.as_bytes()));
    File { path: path.into(), bytes: text.into(), digest }
}
