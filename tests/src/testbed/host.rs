//! One host: a systemd of its own over its own writable layer, to be called into, cut off, and powered
//! off without warning.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::command::{check, command, succeed};
use super::door::{Door, Machine};
use super::net::Link;
use super::run::Run;
use super::{cgroup, wait_until};

/// A boot takes a second or two; a busy machine may need many times that.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// A systemd host of a [`Testbed`](super::Testbed). All methods may be called from several threads.
#[derive(Debug)]
pub struct Host {
    name: String,
    machine: String,
    link: Link,
    folder: PathBuf,
    cgroups: Vec<PathBuf>,
    power: Arc<Mutex<Option<Machine>>>,
}

impl Host {
    /// `layers`: trees that all hosts share, read only, the topmost first; the last one is the base.
    pub(super) fn create(run: &Run, layers: &[PathBuf], name: &str, link: Link) -> Result<Self> {
        let folder = run.folder().join(name);
        for part in ["root", "upper", "work"] {
            let part = folder.join(part);
            std::fs::create_dir_all(&part).with_context(|| format!("folder {}", part.display()))?;
        }
        let mut mount = command("mount");
        mount.args(["-t", "overlay", "overlay", "-o"]).arg(format!(
            "lowerdir={},upperdir={},workdir={}",
            layers.iter().map(|layer| layer.display().to_string()).collect::<Vec<_>>().join(":"),
            folder.join("upper").display(),
            folder.join("work").display()
        ));
        mount.arg(folder.join("root"));
        succeed(mount)?;

        let host = Self {
            name: name.to_owned(),
            machine: format!("{}-{name}", run.id()),
            link,
            cgroups: cgroup::create(&format!("{}/{name}", run.cgroup()))?,
            folder,
            power: Arc::default(),
        };
        let mut random = [0; 16];
        getrandom::fill(&mut random).context("random bytes")?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        host.write_offline("etc/machine-id", &format!("{id}\n"))?;
        host.write_offline("etc/hostname", &format!("{name}\n"))?;
        // The folder makes journald keep the journal on disk, so that it outlives a power cut.
        let journal = host.journal();
        std::fs::create_dir_all(&journal)
            .with_context(|| format!("folder {}", journal.display()))?;
        Ok(host)
    }

    /// Writes a file of a host that is off. The path is relative to the host's root and must not lead
    /// over an absolute link.
    pub(super) fn write_offline(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// The host's name, as at [`Testbed::up`](super::Testbed::up).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The host's address, reachable from the other hosts and from this machine.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.link.address
    }

    /// Runs a program on the host as root and returns its end, whatever it was. The program is ended
    /// after four minutes (exit status 124, or 137 if it ignored TERM).
    ///
    /// It is a child of this process, not of the host's systemd: start what shall live on with `systemd-run`.
    ///
    /// # Errors
    /// The host is off, or the call could not be made.
    pub fn exec(&self, argv: &[&str]) -> Result<Output> {
        let mut call = self.command(argv)?;
        call.output().with_context(|| self.what(argv))
    }

    /// Runs a program as [`Host::exec`] does and returns its standard output.
    ///
    /// # Errors
    /// As there; and an exit status other than 0, with all that the program said.
    pub fn succeed(&self, argv: &[&str]) -> Result<String> {
        check(&self.what(argv), &self.exec(argv)?)
    }

    /// The call that [`Host::exec`] would make, for a caller that wants its pipes. No input by default.
    ///
    /// # Errors
    /// The host is off.
    pub fn command(&self, argv: &[&str]) -> Result<Command> {
        self.door().command(argv)
    }

    /// The way in for a caller that outlives a borrow of the host.
    #[must_use]
    pub fn door(&self) -> Door {
        Door { name: self.name.clone(), power: Arc::clone(&self.power) }
    }

    /// Writes a file on the host, owned by root, with this mode (such as `0o755`). Folders are made as
    /// needed; a program that runs from an old file of this name goes on undisturbed.
    ///
    /// # Errors
    /// The host is off, or its disk refuses.
    pub fn put(&self, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let mode = format!("--mode={mode:o}");
        let argv = ["install", "-D", &mode, "/dev/stdin", path];
        let mut child = self
            .command(&argv)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| self.what(&argv))?;
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(bytes));
        // Its own words say more than our broken pipe.
        check(&self.what(&argv), &child.wait_with_output().with_context(|| self.what(&argv))?)?;
        written.with_context(|| self.what(&argv))
    }

    /// Reads a file of the host.
    ///
    /// # Errors
    /// The host is off, or there is no such file.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        let output = self.exec(&["cat", path])?;
        check(&self.what(&["cat", path]), &output)?;
        Ok(output.stdout)
    }

    /// Where a file of the host's own disk lies on this machine. What it has mounted since its boot
    /// (`/run`, `/tmp`) is not seen there.
    #[must_use]
    pub fn outside(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.power().is_some()
    }

    /// Ends everything on the host at once, without warning; returns when nothing of it runs any more.
    /// What was written stays (the page cache is this machine's: this proves nothing about fsync).
    ///
    /// # Errors
    /// The host is off already.
    pub fn power_cut(&self) -> Result<()> {
        let mut power = self.power();
        let Some(machine) = power.as_mut() else {
            bail!("host {} is off already", self.name);
        };
        kill_process(machine.init, Signal::KILL)
            .with_context(|| format!("power cut of {}", self.name))?;
        machine.nspawn.wait().context("end of systemd-nspawn")?;
        *power = None;
        Ok(())
    }

    /// Switches a host on that is off, with the disk that it had, and returns when it is up.
    ///
    /// # Errors
    /// It is on, or does not come up within a minute.
    pub fn boot(&self) -> Result<()> {
        self.power_on()?;
        self.wait_until_up()
    }

    /// Plugs the network cable in, or pulls it: packets are lost, no connection is reset.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn network(&self, connected: bool) -> Result<()> {
        self.link.plug(connected)
    }

    /// Lets all that is sent to the host arrive so much later, also what the host's own calls get as an answer; zero: at once.
    ///
    /// # Errors
    /// This machine's kernel cannot do that (the error says what it lacks), or `tc` failed.
    pub fn delay(&self, time: Duration) -> Result<()> {
        self.link.delay(time)
    }

    /// The end of the host's console and journal, for a failed test. Never fails.
    #[must_use]
    pub fn last_words(&self) -> String {
        let mut journalctl = command("journalctl");
        journalctl
            .args(["--no-pager", "--quiet", "--lines=60", "--output=short-precise", "--directory"])
            .arg(self.journal());
        let journal =
            succeed(journalctl).unwrap_or_else(|error| format!("no journal: {error:#}\n"));
        let console = std::fs::read(self.console()).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        let end = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
        format!("{journal}-- console\n{}", end.join("\n"))
    }

    pub(super) fn power_on(&self) -> Result<()> {
        let mut power = self.power();
        if power.is_some() {
            bail!("host {} is on already", self.name);
        }
        let console = File::options().create(true).append(true).open(self.console());
        let console = console.with_context(|| format!("console of {}", self.name))?;
        // The shell enters the host's cgroup, then becomes systemd-nspawn: no moment outside of it.
        let mut boot = command("sh");
        boot.args([
            "-ec",
            r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@""#,
            "sh",
        ])
        .args(&self.cgroups)
        .args(["--", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no"])
        .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
        .arg(format!("--machine={}", self.machine))
        .arg(format!("--hostname={}", self.name))
        .arg(format!("--network-namespace-path={}", self.link.namespace_path().display()))
        .arg(format!("--directory={}", self.root().display()))
        .arg("--boot")
        .stdout(console.try_clone().context("share the console")?)
        .stderr(console);
        let mut nspawn = boot.spawn().context("start systemd-nspawn")?;
        let mut init = None;
        let found = wait_until(&format!("process 1 of host {}", self.name), BOOT_LIMIT, || {
            if let Some(status) = nspawn.try_wait().context("look at systemd-nspawn")? {
                bail!("systemd-nspawn of {} ended, {status}", self.name);
            }
            init = init_below(nspawn.id());
            Ok(init.is_some())
        });
        found.with_context(|| self.last_words())?;
        *power = init.map(|init| Machine { nspawn, init });
        Ok(())
    }

    pub(super) fn wait_until_up(&self) -> Result<()> {
        let mut state = String::new();
        let up = wait_until(&format!("host {} is up", self.name), BOOT_LIMIT, || {
            let output = self.exec(&["systemctl", "is-system-running"])?;
            state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            // Degraded: a unit of the distribution failed that has nothing to do in a container.
            Ok(matches!(state.as_str(), "running" | "degraded"))
        });
        up.with_context(|| format!("state {state:?}\n{}", self.last_words()))
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn console(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    fn journal(&self) -> PathBuf {
        self.root().join("var/log/journal")
    }

    fn what(&self, argv: &[&str]) -> String {
        format!("{} on host {}", argv.join(" "), self.name)
    }

    fn power(&self) -> MutexGuard<'_, Option<Machine>> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Off in good order: systemd-nspawn sees its process 1 end, and we see systemd-nspawn end, so that
        // no dead process waits for its parent. What goes wrong here is killed with the run.
        let _ = self.power_cut();
    }
}

/// The process that systemd-nspawn made process 1, once it has become the host's systemd: before that,
/// a call into its namespaces would land in this machine's files.
fn init_below(nspawn: u32) -> Option<Pid> {
    let children =
        std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    children
        .split_whitespace()
        .find(|child| {
            std::fs::read_link(format!("/proc/{child}/exe"))
                .is_ok_and(|exe| exe.ends_with("systemd/systemd"))
        })
        .and_then(|child| child.parse().ok())
        .and_then(Pid::from_raw)
}
