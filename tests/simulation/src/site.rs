//! The hosts of a run, and what keeps their agents running.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use bellows_proto::{
    audit::{Entry, Reader, index_of},
    v1::audit_record::Kind,
};
use camino::Utf8Path;

use super::{
    disk::Node,
    listed::System,
    machine::Machine,
    network::Fleet,
    process::{self, Birth},
    programs::{self, CONFIG},
    world::{Broken, World},
};

/// systemd starts the agent again after so long.
const RESTART: Duration = Duration::from_secs(1);
/// A host needs so long to boot.
const BOOT: Duration = Duration::from_secs(20);
/// The agent's own folder.
pub const STATE: &str = "/var/lib/bellows-agent";
/// What is in it and does not belong to the system: bookkeeping that stays, or that is checked by
/// itself.
const BOOKKEEPING: &[&str] =
    &["jobs", "closed", "term", "fences", "audit", "specs", "identity", "fronts"];

/// Makes the hosts; their agents run from now on, until the run's end.
pub fn build(world: &Arc<World>, system: &dyn System) -> Arc<Fleet> {
    let fleet = Arc::new(Fleet::default());
    for number in 1..=system.hosts() {
        let (name, address) = (format!("h{number}"), Ipv4Addr::new(10, 0, 0, number));
        let machine = Machine::new(world, &name, address);
        let toml = system.agent_toml(&name, address);
        let now = world.now_ms();
        machine.disk(|disk| {
            let path = Utf8Path::new(CONFIG);
            let _ = disk.make_directory(Utf8Path::new("/etc/bellows"), 0o755, (0, 0), now);
            let _ = disk.put(path, toml.as_bytes(), 0o644, (0, 0), now);
        });
        world.add(Arc::clone(&machine));
        programs::start_standing(&machine);
        tokio::spawn(keep_running(machine, Arc::clone(&fleet)));
    }
    fleet
}

/// What systemd and the administrator of one host do.
async fn keep_running(machine: Arc<Machine>, fleet: Arc<Fleet>) {
    loop {
        if machine.is_off() {
            machine.sleep(BOOT).await;
            while machine.is_dark() {
                machine.sleep(RESTART).await;
            }
            machine.power_on();
            programs::start_standing(&machine);
            programs::start_services(&machine).await;
        }
        let process = machine.spawn(process::Kind::Agent, Birth::default());
        let starting = process.live(programs::agent(&machine, Arc::clone(&process)));
        tokio::select! {
            biased;
            () = process.died() => {}
            started = starting => match started {
                Ok(agent) => {
                    fleet.put(&machine.name, agent);
                    process.died().await;
                }
                Err(_) if !process.is_alive() => {}
                // systemd starts it again until there is space.
                Err(_) if machine.world().is_full(&machine.name) => machine.kill(process.id),
                Err(fault) => {
                    let text = format!("the agent of {} does not start: {fault}", machine.name);
                    machine.world().breaks(Broken::Stuck, text);
                    machine.kill(process.id);
                }
            },
        }
        machine.sleep(RESTART).await;
    }
}

/// The paths of all that a system has on a host, with what the agent remembers of it.
pub fn paths(machine: &Machine, system: &dyn System) -> BTreeSet<String> {
    let kept = |path: &Utf8Path| {
        if system.is_only_remembered(path) {
            return false;
        }
        let own = path.strip_prefix(STATE).ok();
        let first = own.and_then(|own| own.components().next());
        first.is_none_or(|first| !BOOKKEEPING.contains(&first.as_str()))
    };
    let mut roots = system.roots();
    roots.push(STATE.into());
    let below = roots.iter().flat_map(|root| {
        let all = machine.disk(|disk| disk.below(root));
        // Folders that nodes share may stay; a node's own may not.
        let counts = |path: &Utf8Path, node: &Node| {
            let inside = path.strip_prefix(root).map_or(0, |inside| inside.components().count());
            *node != Node::Directory || (inside >= 2 && root != STATE)
        };
        let counted = all.into_iter().filter(move |(path, node)| counts(path, node));
        counted.map(|(path, _)| path).collect::<Vec<_>>()
    });
    below.filter(|path| kept(path)).map(|path| format!("{} {path}", machine.name)).collect()
}

/// What an operation that is over must not have left on a host.
pub fn left_over(machine: &Machine) -> Vec<String> {
    let state = Utf8Path::new(STATE);
    let list = |path: &Utf8Path| machine.disk(|disk| disk.list(path));
    let mut left = Vec::new();
    for fence in list(&state.join("fences")) {
        left.push(format!("{}: a fence of cluster {fence}", machine.name));
    }
    for operation in list(&state.join("jobs")) {
        left.push(format!("{}: jobs of operation {operation}", machine.name));
    }
    for secret in list(Utf8Path::new("/run/bellows-agent/secrets")) {
        left.push(format!("{}: secrets of job {secret}", machine.name));
    }
    for process in machine.processes() {
        if let Some(job) = process.birth.environment.get(bellows_agent::tools::JOB_MARK) {
            left.push(format!("{}: a {:?} of job {job} still runs", machine.name, process.kind));
        }
    }
    left
}

/// What is wrong with the audit log of a host: a record that does not fit, a job that ran and of whose
/// acceptance or end it does not tell.
pub fn audit_faults(machine: &Machine, ran: &BTreeSet<String>) -> Vec<String> {
    let folder = Utf8Path::new(STATE).join("audit");
    let (mut faults, mut told) = (Vec::new(), BTreeMap::<String, BTreeSet<&str>>::new());
    let mut reader = Reader::default();
    let mut each = |entry: Entry| {
        if !entry.damage.is_empty() {
            faults
                .push(format!("{}: audit record {}: {}", machine.name, entry.number, entry.damage));
        }
        let (key, what) = match entry.record.and_then(|record| record.kind) {
            Some(Kind::JobAccepted(job)) => (job.key, "acceptance"),
            Some(Kind::JobEnded(job)) => (job.key, "end"),
            Some(
                Kind::Opened(_)
                | Kind::Torn(_)
                | Kind::Pruned(_)
                | Kind::Call(_)
                | Kind::Answer(_)
                | Kind::Event(_)
                | Kind::JobReported(_)
                | Kind::Witness(_)
                | Kind::Acceptance(_),
            )
            | None => (None, ""),
        };
        if let Some(key) = key {
            let job = format!("{}/{}/{}", key.operation, key.act, key.attempt);
            told.entry(job).or_default().insert(what);
        }
    };
    for name in machine.disk(|disk| disk.list(&folder)) {
        let bytes = machine.disk(|disk| disk.bytes(&folder.join(&name)).map(<[u8]>::to_vec));
        if let (Some(index), Some(bytes)) = (index_of(&name), bytes) {
            reader.segment(index, &bytes, &mut each);
        }
    }
    reader.finish(&mut each);
    for job in ran {
        for what in ["acceptance", "end"] {
            if !told.get(job).is_some_and(|told| told.contains(what)) {
                faults.push(format!("{}: the audit log has no {what} of job {job}", machine.name));
            }
        }
    }
    faults
}
