//! The machine as an agent or a shim sees it: the port `Host` over a simulated machine, in the name
//! of one process. All durable writes are points at which that process can die.

use std::{io, sync::Arc, time::Duration};

use bellows_agent::{
    exec::{self, Finished, Invocation, Sink, Stdin, Stream},
    host::{
        Access, Clock, FileKind, Host, HostError, HttpError, HttpReply, HttpRequest, Mark,
        Metadata, Owner, ProcessId, Signal, Space,
    },
    tools::JOB_MARK,
};
use camino::{Utf8Path, Utf8PathBuf};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    faults::Trouble,
    machine::Machine,
    proc,
    process::{Birth, Kind, Process},
    programs::{self, OWN_PROGRAM},
    tools::{Call, Ending},
    world::{World, command},
};

/// SIGKILL, as a wait status tells it.
const KILLED: i32 = 9;

/// The machine in the name of a process. Cheap to clone.
#[derive(Clone)]
pub struct SimHost {
    /// The machine.
    pub machine: Arc<Machine>,
    /// Who acts.
    pub me: Arc<Process>,
}

type Io<T> = Result<T, HostError>;

fn failed(operation: &'static str, path: &Utf8Path, source: io::Error) -> HostError {
    HostError { operation, path: path.to_owned(), source }
}

/// With what a program is started.
fn birth(invocation: &Invocation) -> Birth {
    let mut command = vec![invocation.program.to_string()];
    command.extend(invocation.arguments.iter().cloned());
    Birth {
        environment: invocation.environment.clone(),
        parent: None,
        command,
        user: invocation.user.clone().unwrap_or_default(),
    }
}

/// What a dead process's call comes to; nobody sees it.
fn dead(operation: &'static str, path: &Utf8Path) -> HostError {
    failed(operation, path, io::Error::other("the process is dead"))
}

impl SimHost {
    fn world(&self) -> Arc<World> {
        self.machine.world()
    }

    /// Something durable: a point before it, a point after it.
    fn durably<T>(
        &self,
        operation: &'static str,
        path: &Utf8Path,
        effect: impl FnOnce() -> io::Result<T>,
    ) -> Io<T> {
        let label = || format!("{} {:?}: {operation} {path}", self.machine.name, self.me.kind);
        let effect = || {
            // What is there already needs no space.
            let made = operation == "make directory" && self.machine.disk(|d| d.is_directory(path));
            let needs_space = !made && !operation.starts_with("remove");
            if needs_space && self.world().is_full(&self.machine.name) {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            effect()
        };
        match self.world().durably(&self.me, &label, effect) {
            Some(done) => done.map_err(|source| failed(operation, path, source)),
            None => Err(dead(operation, path)),
        }
    }

    fn owner(&self, access: &Access) -> io::Result<(u32, u32)> {
        match &access.owner {
            None => Ok((0, 0)),
            Some(Owner::Ids { uid, gid }) => Ok((*uid, *gid)),
            Some(Owner::User(name)) => match self.machine.users.get(name) {
                Some(id) => Ok((*id, *id)),
                None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no user {name:?}"))),
            },
        }
    }

    fn put(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> io::Result<()> {
        let owner = self.owner(access)?;
        let now = self.world().now_ms();
        self.machine.disk(|disk| disk.put(path, bytes, access.mode, owner, now))
    }

    fn bytes(&self, path: &Utf8Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let found = match proc::bytes(&self.machine, path) {
            Some(bytes) => Some(bytes),
            None => self.machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec)),
        };
        match found {
            Some(bytes) if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit => {
                Err(io::Error::from(io::ErrorKind::FileTooLarge))
            }
            other => Ok(other),
        }
    }

    fn alive(&self, operation: &'static str, path: &Utf8Path) -> Io<()> {
        if self.me.is_alive() { Ok(()) } else { Err(dead(operation, path)) }
    }

    async fn run_tool(
        &self,
        invocation: &Invocation,
        cancel: &CancellationToken,
        sink: &mut dyn Sink,
    ) -> Result<Finished, exec::Error> {
        self.me.frozen_if_dead().await;
        let program = invocation.program.clone();
        if program != OWN_PROGRAM && self.machine.disk(|disk| disk.entry(&program).is_none()) {
            return Err(exec::Error::Missing { program });
        }
        let birth = Birth { parent: Some(self.me.id), ..birth(invocation) };
        let tool = self.machine.spawn(Kind::Tool, birth);
        sink.started(tool.id.pid);
        let call = self.call(invocation, &tool);
        let deadline = invocation.deadline.unwrap_or(Duration::from_secs(10 * 365 * 86_400));
        let work = self.work(call);
        let ended = tokio::select! {
            biased;
            () = self.me.died() => std::future::pending().await,
            () = tool.died() => {
                return Ok(Finished { signal: Some(KILLED), ..Finished::default() });
            }
            ended = work => ended,
            () = cancel.cancelled() => {
                self.machine.kill(tool.id);
                return Err(exec::Error::Cancelled { program });
            }
            () = self.machine.sleep(deadline) => {
                self.machine.kill(tool.id);
                return Err(exec::Error::Deadline { program, deadline, stderr: Vec::new() });
            }
        };
        self.machine.exited(tool.id);
        sink.output(Stream::Stdout, &ended.stdout);
        sink.output(Stream::Stderr, &ended.stderr);
        let Ending { status, stdout, stderr } = ended;
        Ok(Finished { status: Some(status), stdout, stderr, ..Finished::default() })
    }

    fn call(&self, invocation: &Invocation, process: &Arc<Process>) -> Call {
        Call {
            program: invocation.program.clone(),
            arguments: invocation.arguments.clone(),
            stdin: match &invocation.stdin {
                Stdin::Null => Vec::new(),
                Stdin::Bytes(bytes) => bytes.clone(),
            },
            environment: invocation.environment.clone(),
            user: invocation.user.clone().unwrap_or_default(),
            machine: Arc::clone(&self.machine),
            process: Arc::clone(process),
        }
    }

    async fn work(&self, call: Call) -> Ending {
        let world = self.world();
        if call.program == OWN_PROGRAM {
            return programs::service(call).await;
        }
        if call.program == "/usr/bin/getconf" {
            return Ending::good("glibc 2.36\n");
        }
        let changes = world.tools.changes(&call);
        let label =
            || format!("{}: {} {}", call.machine.name, call.name(), call.arguments.join(" "));
        world.tell(|| format!("tool {}", label()));
        if changes {
            world.tool_begins(&call);
        }
        let trouble = if changes { world.next_tool(&label) } else { None };
        match trouble {
            None => {
                let whole = changes && world.tools.is_whole(&call);
                let job = call.environment.get(JOB_MARK).cloned().filter(|_| whole);
                let ended = run(&world, call).await;
                if let Some(job) = job.filter(|_| ended.status == 0) {
                    world.tool_works(&job);
                }
                ended
            }
            Some(Trouble::Fails) => Ending::bad(1, "simulated trouble\n"),
            Some(Trouble::Lies) => {
                world.tool_lies(&call);
                Ending::good("")
            }
            Some(Trouble::Hangs) => std::future::pending().await,
            Some(Trouble::FailsAfterEffect) => {
                run(&world, call).await;
                Ending::bad(1, "simulated trouble\n")
            }
            Some(Trouble::Rubbish) => {
                let ended = run(&world, call).await;
                Ending { stdout: b"\xff\xfe rubbish".to_vec(), ..ended }
            }
            Some(Trouble::Twice) => {
                world.tool_runs_twice(&call);
                run(&world, call.clone()).await;
                run(&world, call).await
            }
            Some(Trouble::Killed) => {
                let (machine, id) = (Arc::clone(&call.machine), call.process.id);
                let killer = async {
                    // Somewhere in the middle of a longer run.
                    machine.sleep(Duration::from_millis(world.below(400))).await;
                    machine.kill(id);
                    std::future::pending::<Ending>().await
                };
                tokio::select! { ended = run(&world, call) => ended, never = killer => never }
            }
        }
    }
}

/// The tool does what it is asked for.
async fn run(world: &World, call: Call) -> Ending {
    let (job, command) = (call.environment.get(JOB_MARK).cloned(), command(&call));
    let ended = world.tools.run(call).await;
    if let Some(job) = job.filter(|_| ended.status == 0) {
        world.tool_has_its_effect(&job, &command);
    }
    ended
}

impl Host for SimHost {
    fn read(&self, path: &Utf8Path, limit: u64) -> Io<Option<Vec<u8>>> {
        self.alive("read", path)?;
        self.bytes(path, limit).map_err(|source| failed("read", path, source))
    }

    fn read_guarded(&self, path: &Utf8Path, limit: u64) -> Io<Option<(Vec<u8>, Metadata)>> {
        let Some(found) = self.metadata(path)? else { return Ok(None) };
        if found.kind != FileKind::File {
            return Err(failed("read", path, io::Error::from(io::ErrorKind::InvalidInput)));
        }
        Ok(self.read(path, limit)?.map(|bytes| (bytes, found)))
    }

    fn read_at(&self, path: &Utf8Path, offset: u64, limit: usize) -> Io<Option<Vec<u8>>> {
        let bytes = self.read(path, u64::MAX)?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(bytes.map(|bytes| bytes.into_iter().skip(offset).take(limit).collect()))
    }

    fn write(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Io<()> {
        self.durably("write", path, || self.put(path, bytes, access))
    }

    fn create(&self, path: &Utf8Path, bytes: &[u8], access: &Access) -> Io<bool> {
        self.durably("make", path, || {
            if self.machine.disk(|disk| disk.entry(path).is_some()) {
                return Ok(false);
            }
            self.put(path, bytes, access).map(|()| true)
        })
    }

    fn append(&self, path: &Utf8Path, bytes: &[u8]) -> Io<()> {
        self.alive("append to", path)?;
        let now = self.world().now_ms();
        let appended = self.machine.disk(|disk| disk.append(path, bytes, now));
        appended.map_err(|source| failed("append to", path, source))
    }

    fn sync(&self, path: &Utf8Path) -> Io<()> {
        self.durably("sync", path, || {
            self.machine.disk(|disk| disk.sync(path));
            Ok(())
        })
    }

    fn create_directory(&self, path: &Utf8Path, access: &Access) -> Io<()> {
        self.durably("make directory", path, || {
            let owner = self.owner(access)?;
            let now = self.world().now_ms();
            self.machine.disk(|disk| disk.make_directory(path, access.mode, owner, now))
        })
    }

    fn remove_file(&self, path: &Utf8Path) -> Io<()> {
        self.durably("remove", path, || {
            if self.machine.disk(|disk| disk.is_directory(path)) {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            self.machine.disk(|disk| disk.remove(path));
            Ok(())
        })
    }

    fn remove_directory(&self, path: &Utf8Path) -> Io<()> {
        self.durably("remove directory", path, || {
            if self.machine.disk(|disk| disk.bytes(path).is_some()) {
                return Err(io::Error::from(io::ErrorKind::NotADirectory));
            }
            self.machine.disk(|disk| disk.remove(path));
            Ok(())
        })
    }

    fn remove_empty_directory(&self, path: &Utf8Path) -> Io<bool> {
        self.durably("remove directory", path, || {
            self.machine.disk(|disk| {
                if disk.bytes(path).is_some() {
                    return Err(io::Error::from(io::ErrorKind::NotADirectory));
                }
                let empty = disk.list(path).is_empty();
                if empty {
                    disk.remove(path);
                }
                Ok(empty)
            })
        })
    }

    fn list(&self, directory: &Utf8Path) -> Io<Vec<String>> {
        self.alive("list", directory)?;
        let kernels = proc::list(&self.machine, directory);
        Ok(kernels.unwrap_or_else(|| self.machine.disk(|disk| disk.list(directory))))
    }

    fn metadata(&self, path: &Utf8Path) -> Io<Option<Metadata>> {
        self.alive("look at", path)?;
        let found = self.machine.disk(|disk| disk.metadata(path));
        Ok(found.or_else(|| proc::metadata(&self.machine, path)))
    }

    fn space(&self, _: &Utf8Path) -> Io<Space> {
        Ok(Space { free: 80 << 30, total: 100 << 30 })
    }

    fn is_tmpfs(&self, path: &Utf8Path) -> Io<bool> {
        Ok(path.starts_with("/run"))
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        cancel: &'a CancellationToken,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Finished, exec::Error>> {
        Box::pin(self.run_tool(invocation, cancel, sink))
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
        Box::pin(self.exchange(request))
    }

    fn detach(&self, invocation: &Invocation) -> Result<ProcessId, exec::Error> {
        let program = invocation.program.clone();
        if !self.me.is_alive() {
            return Err(exec::Error::Start { program, reason: "the process is dead".to_owned() });
        }
        let kind = if program == OWN_PROGRAM { Kind::Shim } else { Kind::Service };
        let label = || format!("{} {:?}: detach {program}", self.machine.name, self.me.kind);
        if kind == Kind::Shim {
            let job = invocation.environment.get(JOB_MARK);
            self.world().job_begins(job.map_or("", String::as_str));
        }
        let detached = self.world().durably(&self.me, &label, || {
            let process = self.machine.spawn(kind, birth(invocation));
            programs::launch(self.call(invocation, &process));
            process.id
        });
        detached.ok_or(exec::Error::Start {
            program: invocation.program.clone(),
            reason: "the process is dead".to_owned(),
        })
    }

    fn signal(&self, process: ProcessId, signal: Signal) -> Io<bool> {
        self.alive("signal", Utf8Path::new("/proc"))?;
        Ok(self.machine.signal(process, signal))
    }

    fn is_alive(&self, process: ProcessId) -> bool {
        self.machine.process(process.pid).is_some_and(|found| found.id == process)
    }

    fn process(&self, pid: u32) -> Option<ProcessId> {
        self.machine.process(pid).map(|found| found.id)
    }

    fn own_process(&self) -> Option<ProcessId> {
        Some(self.me.id)
    }

    fn marked(&self, mark: &Mark) -> Io<Vec<ProcessId>> {
        self.alive("read", Utf8Path::new("/proc"))?;
        Ok(self.machine.marked(mark))
    }

    fn become_subreaper(&self) -> Io<()> {
        self.alive("become subreaper", Utf8Path::new("/proc/self"))
    }

    fn uname(&self) -> (String, String) {
        ("6.1.0-sim".to_owned(), "x86_64".to_owned())
    }
}

/// Time and chance of one process: a dead one sleeps for ever.
#[derive(Clone)]
pub struct SimClock {
    /// Where it runs.
    pub world: Arc<World>,
    /// Who sleeps.
    pub me: Arc<Process>,
}

impl Clock for SimClock {
    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }

    fn elapsed(&self) -> Duration {
        // Simulated time never steps back.
        Duration::from_millis(u64::try_from(self.world.now_ms()).unwrap_or(0))
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let me = Arc::clone(&self.me);
        Box::pin(async move { me.live(tokio::time::sleep(time)).await })
    }

    fn random(&self) -> [u8; 16] {
        self.world.random()
    }
}

/// Where the agent's own program would be.
pub fn own_program() -> Utf8PathBuf {
    Utf8PathBuf::from(OWN_PROGRAM)
}
