//! Tombstones that are owed: a host that was named dead gets them when it comes back, before
//! anything else is done there. Whether it has them, it says itself: nothing is remembered here
//! longer than the process lives, so that a host that was put back from an old image is buried again.
//! Knows no system, and no plan.

use std::{collections::BTreeMap, time::Duration};

use bellows_proto::{
    defect::{Defect, is_seeded},
    digest,
    v1::{
        Action, CloseRequest, Fault, FaultCode, GetJobRequest, HoldCause, HostAction,
        HostFactsQuery, HostQuery, Job, JobKey, NodeRef, PlantFenceRequest, Query, Spec,
        SpecTombstone, StartJobRequest, Tombstone, action, answer, host_action, host_answer,
        host_query, query,
    },
};
use futures::future::join_all;

use super::{
    Engine, World, has_ended,
    observe::{self, is_passing},
    ports::{Agents as _, Clock as _, Journal as _, JournalError, Owed},
    run::Stop,
};

/// A host that is away is looked for so often.
const LOOK: Duration = Duration::from_secs(2);
/// One that refuses is asked again after so long.
const AGAIN_MS: i64 = 60_000;
/// A read-only coordinator looks so often whether it still is one.
const READ_ONLY: Duration = Duration::from_secs(30);
/// Stopping a server may take its time: it writes a checkpoint.
const DEADLINE_MS: u64 = 30 * 60 * 1000;
/// How long an agent holds the answer to `GetJob` back, waiting for a change.
const JOB_WAIT_MS: u32 = 5_000;
/// A job is followed for so many readings; then the other hosts have their turn.
const READINGS: u32 = 6;

/// Whether a spec has a tombstone that was not put in its operation.
pub(super) fn is_owed(spec: &Spec) -> bool {
    spec.tombstones.iter().any(|stone| stone.owed_act != 0)
}

/// Why a tombstone is not there yet.
#[derive(Debug)]
pub(super) enum NotYet {
    /// The journal failed.
    Journal(JournalError),
    /// The host is away, or refuses.
    Fault(Box<Fault>),
}

impl From<JournalError> for NotYet {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<Fault> for NotYet {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

/// Before a host is used for anything: all that it is owed is delivered.
///
/// # Errors
/// If the journal failed, or it could not be delivered.
pub(super) async fn before<W: World>(world: &W, host: &str) -> Result<(), Stop> {
    for owed in world.journal().owed()?.iter().filter(|owed| owed.stone.host == host) {
        deliver(world, owed).await.map_err(|why| match why {
            NotYet::Journal(error) => Stop::Journal(error),
            NotYet::Fault(fault) => observe::stop_of(*fault, HoldCause::Unknown),
        })?;
    }
    Ok(())
}

/// What a host has of a node.
enum Grave {
    /// Its tombstone.
    Closed,
    /// The node.
    Open,
    /// Nothing: the host was made anew.
    Nothing,
}

impl<W: World> Engine<W> {
    /// Brings every tombstone that is owed to its host, as soon as that answers. Returns only when
    /// the journal has failed: the program must end then.
    pub async fn keep_burying(&self) -> JournalError {
        // Of each: from when on it is asked again; `None`: it has its tombstone.
        let mut known: BTreeMap<(String, String), Option<i64>> = BTreeMap::new();
        loop {
            if self.is_read_only().is_some() {
                self.inner.world.clock().sleep(READ_ONLY).await;
                continue;
            }
            // Registered before the look, so that nothing in between is missed.
            let woken = self.inner.owes.notified();
            match self.bury(&mut known).await {
                Err(error) => return error,
                Ok(true) => woken.await,
                Ok(false) => tokio::select! {
                    biased;
                    () = woken => {}
                    () = self.inner.world.clock().sleep(LOOK) => {}
                },
            }
        }
    }

    /// Those of the tombstones that are owed, and concerned, that are at their hosts by now: as each
    /// host says itself. One that does not answer has none.
    ///
    /// # Errors
    /// If the journal failed.
    pub async fn delivered(
        &self,
        concerned: impl Fn(&Owed) -> bool,
    ) -> Result<Vec<SpecTombstone>, JournalError> {
        let world = &*self.inner.world;
        let mut owed = world.journal().owed()?;
        owed.retain(concerned);
        let graves = join_all(owed.iter().map(|owed| grave(world, owed))).await;
        let closed = owed.into_iter().zip(graves);
        let closed = closed.filter(|(_, grave)| matches!(grave, Ok(Grave::Closed)));
        Ok(closed.map(|(owed, _)| owed.stone).collect())
    }

    /// One round. `true`: nothing is owed any more.
    async fn bury(
        &self,
        known: &mut BTreeMap<(String, String), Option<i64>>,
    ) -> Result<bool, JournalError> {
        let world = &*self.inner.world;
        let now = world.clock().now_ms();
        let name = |owed: &Owed| (owed.stone.operation.clone(), owed.stone.node.clone());
        let mut owed = world.journal().owed()?;
        owed.retain(|owed| known.get(&name(owed)) != Some(&None));
        let due =
            |owed: &&Owed| known.get(&name(owed)).is_none_or(|at| at.is_none_or(|at| at <= now));
        let due: Vec<&Owed> = owed.iter().filter(due).collect();
        let told = join_all(due.iter().map(|owed| deliver(world, owed))).await;
        let mut left = owed.len();
        for (owed, told) in due.iter().zip(told) {
            let (node, host) = (&owed.stone.node, &owed.stone.host);
            match told {
                Ok(()) => {
                    tracing::info!(node, host, "the tombstone that was owed is there");
                    known.insert(name(owed), None);
                    left -= 1;
                }
                Err(NotYet::Journal(error)) => return Err(error),
                Err(NotYet::Fault(fault)) if fault.code() == FaultCode::StaleTerm => {
                    let why = format!("host {host} obeys another coordinator: {}", fault.message);
                    self.inner.read_only.forbid(&why);
                }
                Err(NotYet::Fault(fault)) if comes(&fault) => {
                    tracing::debug!(node, host, why = fault.message, "owed a tombstone");
                }
                // Removed from the site, by somebody who said that it never comes back.
                Err(NotYet::Fault(fault)) if fault.code() == FaultCode::NotFound => {
                    tracing::debug!(node, host, why = fault.message, "owed a tombstone");
                    known.insert(name(owed), Some(now.saturating_add(AGAIN_MS)));
                }
                Err(NotYet::Fault(fault)) => {
                    let why = fault.message;
                    tracing::error!(node, host, why, "came back and does not get its tombstone");
                    known.insert(name(owed), Some(now.saturating_add(AGAIN_MS)));
                }
            }
        }
        Ok(left == 0)
    }
}

/// It will do by itself: the host is away, or an operation that has ended is not closed there yet.
fn comes(fault: &Fault) -> bool {
    is_passing(fault) || fault.code() == FaultCode::Fenced
}

/// Brings a tombstone to its host, and closes its operation there. Safe to repeat: what the host
/// says decides. Under way for long is a fault that passes.
async fn deliver<W: World>(world: &W, owed: &Owed) -> Result<(), NotYet> {
    if is_seeded(Defect::TombstoneForgotten) {
        return Ok(());
    }
    let host = &owed.stone.host;
    match grave(world, owed).await? {
        Grave::Nothing => return Ok(()),
        Grave::Closed => return Ok(close(world, owed).await?),
        Grave::Open => {}
    }
    let fence = PlantFenceRequest {
        cluster: owed.spec.cluster.clone(),
        operation: owed.stone.operation.clone(),
        term: Some(world.journal().term()),
        accepted: None,
        spec: Some(owed.spec.clone()),
    };
    world.agents().plant_fence(host, fence).await?;
    let jobs = world.agents().list_jobs(host, &owed.stone.operation).await?;
    let attempt = |job: &Job| {
        let key = job.key.as_ref().filter(|key| key.act == owed.stone.owed_act);
        key.map(|key| key.attempt)
    };
    let last = jobs.iter().filter(|job| attempt(job).is_some()).max_by_key(|job| attempt(job));
    let job = match last.filter(|job| !has_ended(job)) {
        Some(running) => running.clone(),
        None => start(world, owed, 1 + last.and_then(attempt).unwrap_or(0)).await?,
    };
    let job = follow(world, host, job).await?;
    match grave(world, owed).await? {
        Grave::Closed | Grave::Nothing => Ok(close(world, owed).await?),
        Grave::Open => {
            let untold =
                || Fault::new(FaultCode::Drift, "the job ended, and no tombstone is there");
            Err(job.fault.unwrap_or_else(untold).at(host).into())
        }
    }
}

async fn grave<W: World>(world: &W, owed: &Owed) -> Result<Grave, Fault> {
    let kind = Some(host_query::Kind::Facts(HostFactsQuery {}));
    let query = Query { kind: Some(query::Kind::Host(HostQuery { kind })) };
    let answer = world.agents().ask(&owed.stone.host, query, 0).await?.answer;
    let Some(answer::Kind::Host(answer)) = answer.kind else { return Err(odd(owed)) };
    let Some(host_answer::Kind::Facts(facts)) = answer.kind else { return Err(odd(owed)) };
    let named = node(owed);
    let record = facts.nodes.iter().find(|record| record.node.as_ref() == Some(&named));
    Ok(match record {
        Some(record) if record.tombstone => Grave::Closed,
        Some(record) if record.burial_begun || !record.claimed_by.is_empty() => Grave::Open,
        Some(_) | None => Grave::Nothing,
    })
}

fn node(owed: &Owed) -> NodeRef {
    NodeRef { cluster: owed.spec.cluster.clone(), node: owed.stone.node.clone() }
}

fn odd(owed: &Owed) -> Fault {
    let text = "the answer is not one to the question: another version?";
    Fault::new(FaultCode::Unreadable, text).at(&owed.stone.host)
}

async fn start<W: World>(world: &W, owed: &Owed, attempt: u32) -> Result<Job, NotYet> {
    let tombstone = Tombstone { node: Some(node(owed)), wipe_data: false };
    let kind = Some(host_action::Kind::Tombstone(tombstone));
    let action = Action { kind: Some(action::Kind::Host(HostAction { kind })) };
    let (operation, act) = (owed.stone.operation.clone(), owed.stone.owed_act);
    let request = StartJobRequest {
        key: Some(JobKey { operation, act, attempt }),
        term: Some(world.journal().term()),
        cluster: owed.spec.cluster.clone(),
        digest: digest::of(&action).to_vec(),
        action: Some(action),
        deadline_ms: DEADLINE_MS,
    };
    world.journal().burying(&owed.stone.host, &request)?;
    Ok(world.agents().start_job(&owed.stone.host, request).await?)
}

async fn follow<W: World>(world: &W, host: &str, mut job: Job) -> Result<Job, Fault> {
    for _ in 0..READINGS {
        if has_ended(&job) {
            return Ok(job);
        }
        let request = GetJobRequest {
            key: job.key.clone(),
            after_revision: job.revision,
            wait_ms: JOB_WAIT_MS,
        };
        job = world.agents().get_job(host, request).await?;
    }
    if has_ended(&job) {
        return Ok(job);
    }
    Err(Fault::new(FaultCode::Deadline, "the node is being buried still").at(host))
}

/// Lifts the fence and lets the job go: nothing else is left to do there for the operation.
async fn close<W: World>(world: &W, owed: &Owed) -> Result<(), Fault> {
    let request = CloseRequest {
        operation: owed.stone.operation.clone(),
        term: Some(world.journal().term()),
        cluster: owed.spec.cluster.clone(),
        spec: Some(owed.spec.clone()),
    };
    world.agents().close(&owed.stone.host, request).await
}
