//! One simulated host: its files, its processes, its boots.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bellows_agent::host::{Mark, ProcessId, Signal};

use super::{
    disk::Disk,
    process::{Birth, Kind, Process},
    world::World,
};

/// Numbers of processes begin here: 1 is nobody's.
const FIRST_PID: u32 = 1000;

struct State {
    disk: Disk,
    processes: BTreeMap<u32, Arc<Process>>,
    next_pid: u32,
    boot: u32,
    /// Off until the driver boots it.
    off: bool,
    /// Its power stays away.
    dark: bool,
}

/// One host.
pub struct Machine {
    /// Its name at the site.
    pub name: String,
    /// Where its nodes are reached.
    pub address: Ipv4Addr,
    /// Names of users with their numbers.
    pub users: BTreeMap<String, u32>,
    world: Weak<World>,
    state: Mutex<State>,
}

impl Machine {
    /// A host that runs, with what is installed on all hosts.
    pub fn new(world: &Arc<World>, name: &str, address: Ipv4Addr) -> Arc<Self> {
        let mut users: BTreeMap<String, u32> =
            world.tools.users().into_iter().map(|(name, id)| (name.to_owned(), id)).collect();
        users.insert("root".to_owned(), 0);
        let mut disk = Disk::default();
        let now = world.now_ms();
        for file in world.tools.files(name) {
            let owner = users.get(file.owner).copied().unwrap_or(0);
            if let Some(above) = file.path.parent() {
                // Nothing is in the way on an empty disk.
                let _ = disk.make_directory(above, 0o755, (0, 0), now);
            }
            let _ = disk.put(&file.path, &file.bytes, file.mode, (owner, owner), now);
        }
        let state = State {
            disk,
            processes: BTreeMap::new(),
            next_pid: FIRST_PID,
            boot: 1,
            off: false,
            dark: false,
        };
        Arc::new(Self {
            name: name.to_owned(),
            address,
            users,
            world: Arc::downgrade(world),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world that it is in.
    ///
    /// # Panics
    /// If a run's world is gone while its hosts still run: a bug of the simulation.
    pub fn world(&self) -> Arc<World> {
        #[allow(clippy::expect_used)]
        self.world.upgrade().expect("the world outlives its hosts")
    }

    /// Looks at its files, or changes them behind everybody's back (a tool's own effect).
    pub fn disk<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(&mut self.state().disk)
    }

    /// How often it was booted.
    pub fn boot(&self) -> u32 {
        self.state().boot
    }

    /// Whether it has power.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Whether its power stays away.
    pub fn is_dark(&self) -> bool {
        self.state().dark
    }

    /// Whether its power stays away from now on; it is cut by [`Machine::power_cut`].
    pub fn darken(&self, dark: bool) {
        self.state().dark = dark;
    }

    /// Lets simulated time pass.
    pub async fn sleep(&self, time: Duration) {
        self.world().sleep(time).await;
    }

    /// A new process.
    pub fn spawn(&self, kind: Kind, birth: Birth) -> Arc<Process> {
        let started = u64::try_from(self.world().now_ms()).unwrap_or(0);
        let mut state = self.state();
        let pid = state.next_pid;
        state.next_pid += 1;
        let id = ProcessId { pid, started };
        let process = Arc::new(Process::new(id, &self.name, kind, birth));
        state.processes.insert(pid, Arc::clone(&process));
        process
    }

    /// The living process of this number.
    pub fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.state().processes.get(&pid).cloned()
    }

    /// All living processes, by number.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.state().processes.values().cloned().collect()
    }

    /// All living processes that carry a mark, by number.
    pub fn marked(&self, mark: &Mark) -> Vec<ProcessId> {
        let (name, value) = &mark.variable;
        let all = self.processes();
        all.iter().filter(|p| p.birth.environment.get(name) == Some(value)).map(|p| p.id).collect()
    }

    /// A process has ended by itself. Its tools end with it.
    pub fn exited(&self, id: ProcessId) -> Option<Arc<Process>> {
        let (ended, children) = {
            let mut state = self.state();
            let found = state.processes.get(&id.pid).is_some_and(|process| process.id == id);
            let ended = if found { state.processes.remove(&id.pid) } else { None }?;
            let children: Vec<_> = state
                .processes
                .values()
                .filter(|p| p.kind == Kind::Tool && p.birth.parent == Some(id))
                .map(|p| p.id)
                .collect();
            (ended, children)
        };
        ended.end();
        for child in children {
            self.exited(child);
        }
        Some(ended)
    }

    /// SIGKILL.
    pub fn kill(self: &Arc<Self>, id: ProcessId) {
        self.end(id, false);
    }

    fn end(self: &Arc<Self>, id: ProcessId, in_order: bool) {
        if let Some(ended) = self.exited(id)
            && ended.kind == Kind::Service
        {
            self.world().tools.ended(self, &ended, in_order);
        }
    }

    /// Signals a process; `false`: it is gone. HUP is the tools' business.
    pub fn signal(self: &Arc<Self>, id: ProcessId, signal: Signal) -> bool {
        let Some(process) = self.process(id.pid).filter(|process| process.id == id) else {
            return false;
        };
        match signal {
            Signal::Hup => self.world().tools.reloaded(self, &process),
            Signal::Term | Signal::Int => self.end(id, true),
            Signal::Kill => self.end(id, false),
        }
        true
    }

    /// All processes are gone, and what was not on the disk. The driver boots it again.
    pub fn power_cut(self: &Arc<Self>) {
        for process in self.processes() {
            self.kill(process.id);
        }
        let mut state = self.state();
        state.disk.power_cut();
        state.off = true;
    }

    /// It has power again; nothing runs yet.
    pub fn power_on(&self) {
        let mut state = self.state();
        state.boot += 1;
        state.off = false;
    }
}
