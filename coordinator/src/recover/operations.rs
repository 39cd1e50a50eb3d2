//! Open operations: the plan as it was accepted, and a hold with what the hosts have of it.

use std::collections::{BTreeMap, BTreeSet};

use bellows_proto::{
    digest,
    v1::{Act, Event, Held, HoldCause, Job, Lock, Plan, event::Kind, spec_change::Kind as Change},
};

use super::{Found, FoundOperation, Said};
use crate::{
    engine::{
        decide, index, reconcile,
        state::{self, OperationState},
    },
    journal::plan_of,
    store::RecoveredOperation,
};

/// So many digits of an output's digest are shown.
const DIGITS: usize = 16;

/// One operation with all that was said of it.
struct Open<'a> {
    id: &'a str,
    state: OperationState,
    hosts: Vec<String>,
    over_at: Vec<String>,
    jobs: Vec<(&'a str, &'a Job)>,
}

/// All operations that a host keeps. One that is over at another host takes no locks: it has
/// released them.
pub(super) fn merge(
    said: &[Said],
    now_ms: i64,
    found: &mut Found,
    wrong: &mut Vec<String>,
) -> Vec<RecoveredOperation> {
    let mut open = collect(said, wrong);
    // Newest first: where two would exclude each other, the older one has ended.
    open.sort_by(|a, b| {
        let age = |one: &Open<'_>| (one.over_at.is_empty(), one.state.started_at_ms);
        age(b).cmp(&age(a)).then_with(|| b.id.cmp(a.id))
    });
    strangers(said, &open, found);
    let mut taken = BTreeMap::new();
    let mut recovered = Vec::new();
    for one in &open {
        let locks = free_locks(one, &mut taken, found);
        let shown = shown(one);
        recovered.push(RecoveredOperation {
            operation: one.id.to_owned(),
            events: events(one, &shown, now_ms),
            locks,
        });
        let asked = |host: &String| said.iter().any(|one| one.host == *host);
        let away: Vec<String> =
            index::hosts(&one.state.plan).into_iter().filter(|host| !asked(host)).collect();
        if !away.is_empty() {
            found.notes.push(format!(
                "operation {} works on {}, which was not asked: what was done there is not known",
                one.id,
                away.join(", ")
            ));
        }
        found.operations.push(shown);
    }
    recovered
}

/// The highest id that a plan of these gives to a node of the cluster; 0: none.
pub(super) fn ids_used(operations: &[RecoveredOperation], cluster: &str) -> u64 {
    let plans = operations.iter().filter_map(|one| plan_of(&one.events));
    let steps = plans.filter(|plan| plan.cluster == cluster).flat_map(index::steps);
    let changes = steps.filter_map(|step| step.spec_change.as_ref()?.kind.as_ref());
    let used = changes.filter_map(|change| match change {
        Change::IdsUsed(used) => Some(used.highest),
        Change::AddNode(_) | Change::RemoveNode(_) | Change::Options(_) | Change::NewCluster(_) => {
            None
        }
    });
    used.max().unwrap_or(0)
}

fn collect<'a>(said: &'a [Said], wrong: &mut Vec<String>) -> Vec<Open<'a>> {
    let mut open: BTreeMap<&str, Open<'a>> = BTreeMap::new();
    for one in said {
        for kept in &one.operations {
            let id = kept.operation.as_str();
            let begun = kept.accepted.as_ref().map(state::begin);
            let Some(Ok(mut state)) = begun.filter(|_| !id.is_empty()) else {
                wrong.push(format!(
                    "what host {} keeps of operation {id} is no plan that this version can read",
                    one.host
                ));
                continue;
            };
            // Also one that was recovered once before.
            state.recovered = true;
            match open.get_mut(id) {
                Some(known) if known.state == state => known.hosts.push(one.host.clone()),
                Some(known) => wrong.push(format!(
                    "hosts {} and {} keep different plans of operation {id}",
                    known.hosts.join(", "),
                    one.host
                )),
                None => {
                    let (hosts, over_at, jobs) = (vec![one.host.clone()], over(said, id), vec![]);
                    open.insert(id, Open { id, state, hosts, over_at, jobs });
                }
            }
        }
    }
    for one in said {
        for job in &one.jobs {
            let id = job.key.as_ref().map_or("", |key| key.operation.as_str());
            if let Some(known) = open.get_mut(id) {
                known.jobs.push((&one.host, job));
            }
        }
    }
    for one in open.values_mut() {
        one.jobs.sort_by_key(|(_, job)| job.key.as_ref().map(|key| (key.act, key.attempt)));
    }
    open.into_values().collect()
}

fn over(said: &[Said], id: &str) -> Vec<String> {
    let closed = said.iter().filter(|one| one.closed.iter().any(|closed| closed == id));
    closed.map(|one| one.host.clone()).collect()
}

/// Fences and jobs of operations whose plan nobody keeps: of an earlier version, or settled.
fn strangers(said: &[Said], open: &[Open<'_>], found: &mut Found) {
    for one in said {
        let fences = one.hello.fences.iter().map(|fence| fence.operation.as_str());
        let jobs = one.jobs.iter().filter_map(|job| job.key.as_ref()).map(|k| k.operation.as_str());
        let ids: BTreeSet<&str> = fences.chain(jobs).collect();
        for id in ids.into_iter().filter(|id| open.iter().all(|known| known.id != *id)) {
            found.notes.push(format!(
                "host {} has jobs or a fence of operation {id}, whose plan nobody keeps; once the \
                 coordinator runs: bellows job settle {} {id}",
                one.host, one.host
            ));
        }
    }
}

/// The locks of its plan that no newer operation excludes.
fn free_locks(one: &Open<'_>, taken: &mut BTreeMap<String, bool>, found: &mut Found) -> Vec<Lock> {
    if !one.over_at.is_empty() {
        found.notes.push(format!(
            "operation {} is over, as {} was told, and its other hosts were not: it comes back \
             without its locks; abandon it to tell them",
            one.id,
            one.over_at.join(", ")
        ));
        return Vec::new();
    }
    let excluded = |lock: &&Lock| {
        taken.get(&lock.resource).is_some_and(|exclusive| *exclusive || lock.exclusive)
    };
    let (lost, free): (Vec<&Lock>, Vec<&Lock>) = one.state.plan.locks.iter().partition(excluded);
    for lock in lost {
        found.notes.push(format!(
            "operation {} does not get the lock {}: a newer operation has it, so that this one \
             must have ended",
            one.id, lock.resource
        ));
    }
    let free: Vec<Lock> = free.into_iter().cloned().collect();
    for lock in &free {
        *taken.entry(lock.resource.clone()).or_default() |= lock.exclusive;
    }
    free
}

fn shown(one: &Open<'_>) -> FoundOperation {
    let plan = &one.state.plan;
    let steps = one.jobs.iter().filter_map(|(_, job)| act_of(plan, job)).map(|(step, _)| step);
    FoundOperation {
        operation: one.id.to_owned(),
        cluster: plan.cluster.clone(),
        kind: plan.word().unwrap_or_default().to_owned(),
        step: steps.max().unwrap_or(0),
        steps: u32::try_from(index::steps(plan).count()).unwrap_or(u32::MAX),
        hosts: one.hosts.clone(),
        jobs: one.jobs.iter().map(|(host, job)| told(plan, host, job)).collect(),
        over_at: one.over_at.clone(),
    }
}

/// The first event as it was, and the hold. That a step was done is not written: a job's end does
/// not prove it.
fn events(one: &Open<'_>, shown: &FoundOperation, now_ms: i64) -> Vec<Event> {
    let (hosts, jobs) = (shown.hosts.join(", "), shown.jobs.len());
    let mut text = format!(
        "the store was lost, and this operation was made anew from what {hosts} keep of it: its \
         journal does not say what was done. Its hosts have {jobs} jobs of it, up to step {} of {}",
        shown.step, shown.steps
    );
    if !shown.over_at.is_empty() {
        text.push_str(&format!("; {} was told that it is over", shown.over_at.join(", ")));
    }
    let cause = HoldCause::Decision;
    let held = Held {
        cause: cause.into(),
        step: shown.step,
        text,
        fault: None,
        commands: decide::commands(&one.state, one.id, 0, cause),
        found: shown.jobs.clone(),
    };
    let held = Event { sequence: 2, at_ms: now_ms, kind: Some(Kind::Held(held)) };
    vec![one.state.accepted(), held]
}

/// The act of a job, undo acts too, with the number of its step.
fn act_of<'p>(plan: &'p Plan, job: &Job) -> Option<(u32, &'p Act)> {
    let number = job.key.as_ref()?.act;
    index::steps(plan).find_map(|step| {
        let act = index::act(step)?;
        let found = std::iter::once(act).chain(&act.undo).find(|act| act.number == number)?;
        Some((step.number, found))
    })
}

fn told(plan: &Plan, host: &str, job: &Job) -> String {
    let key = job.key.clone().unwrap_or_default();
    let state = reconcile::how(job.state());
    let mut text = format!("act {} attempt {} on {host} {state}", key.act, key.attempt);
    if let Some((step, act)) = act_of(plan, job) {
        text = format!("step {step} ({}): {text}", act.summary);
    }
    let run = job.tool_runs.last();
    if let Some(exit) = run.and_then(|run| run.exit_status) {
        text.push_str(&format!(", exit {exit}"));
    } else if let Some(signal) = run.and_then(|run| run.signal) {
        text.push_str(&format!(", signal {signal}"));
    }
    if !job.output_digest.is_empty() {
        let digits: String = digest::hex(&job.output_digest).chars().take(DIGITS).collect();
        text.push_str(&format!(", output SHA-256 {digits}…"));
    }
    text
}
