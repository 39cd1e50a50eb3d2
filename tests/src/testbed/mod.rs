//! Real systemd hosts on this machine, for end-to-end tests: systemd-nspawn over an overlay of one
//! cached base tree, a network namespace and a cgroup for each, one bridge between them.
//!
//! It knows hosts, not Bellows. Root is needed. Where hosts cannot be made, [`Testbed::up`] says why
//! in an error: the test fails, it is never skipped. The hosts are air-gapped; the program under test
//! may also run outside, on [`Testbed::outside`].
//!
//! A run cleans up in `Drop`. What a killed run left behind is removed by the next one: each run keeps
//! a folder with the process that owns it, and only folders of dead owners are touched.
//!
//! `BELLOWS_TESTBED_CACHE` names another folder than `target/testbed` for base tree and runs; its file
//! system must be one that overlayfs can write to.

mod base;
mod cgroup;
mod command;
mod cut;
mod disk;
mod door;
mod host;
mod net;
mod run;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) use command::command;
use cut::Cuts;
pub use door::Door;
pub use host::Host;
use net::Bridge;
use run::Run;

/// Hosts that boot together on one bridge; gone when dropped.
#[derive(Debug)]
pub struct Testbed {
    hosts: Vec<Host>,
    bridge: Bridge,
    cuts: Cuts,
    // Dropped last: it kills the hosts and removes what all of them use.
    run: Run,
}

/// What a place of the network is called that is no host: this machine.
pub const OUTSIDE: &str = "outside";

impl Testbed {
    /// Boots one host for each name and returns when systemd says that all of them are up.
    ///
    /// Names are host names, also in `/etc/hosts` of every host. The first run in a checkout makes the
    /// base tree, which takes a minute or two and needs the Debian mirror; later ones take seconds.
    ///
    /// # Errors
    /// Not root, a missing program, no Debian mirror, a kernel without overlayfs or bridges, or hosts
    /// that do not come up within a minute.
    pub fn up(names: &[&str]) -> Result<Self> {
        Self::up_with(names, &[])
    }

    /// As [`Testbed::up`], of hosts that have more installed: trees that lie over the base, read only, the topmost
    /// first.
    ///
    /// # Errors
    /// As [`Testbed::up`].
    pub fn up_with(names: &[&str], installed: &[PathBuf]) -> Result<Self> {
        preflight()?;
        let cache = cache()?;
        let layers = [installed, &[base::tree(&cache)?]].concat();
        let run = Run::begin(&cache)?;
        let bridge = Bridge::up(run.id(), names.len())?;
        let mut hosts = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let link = bridge.link(index)?;
            hosts.push(Host::create(&run, &layers, name, link)?);
        }
        let book = hosts_file(&hosts, bridge.outside());
        for host in &hosts {
            host.write_offline("etc/hosts", &book)?;
        }
        // From here on `Drop` shows the hosts' own words when something fails.
        let testbed = Self { hosts, bridge, cuts: Cuts::none(run.id()), run };
        for host in &testbed.hosts {
            host.power_on()?;
        }
        for host in &testbed.hosts {
            host.wait_until_up()?;
        }
        Ok(testbed)
    }

    /// The host of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts
            .iter()
            .find(|host| host.name() == name)
            .with_context(|| format!("the testbed has no host {name:?}"))
    }

    /// All hosts, in the order of their names at [`Testbed::up`].
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The address of this machine on the hosts' network: what runs outside listens here.
    #[must_use]
    pub fn outside(&self) -> Ipv4Addr {
        self.bridge.outside()
    }

    /// A folder of this machine that goes with the hosts.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.run.folder()
    }

    /// Cuts two places apart, each a host's name or [`OUTSIDE`]: nothing comes from one to the other, in neither direction,
    /// and nobody is told. It lasts until [`Testbed::heal`], also over a power cut.
    ///
    /// # Errors
    /// There is no such host, or the packet filter refuses.
    pub fn cut(&self, one: &str, other: &str) -> Result<()> {
        self.cuts.between(self.place(one)?, self.place(other)?, true)
    }

    /// Heals what [`Testbed::cut`] cut. Nothing to do is fine.
    ///
    /// # Errors
    /// As [`Testbed::cut`].
    pub fn heal(&self, one: &str, other: &str) -> Result<()> {
        self.cuts.between(self.place(one)?, self.place(other)?, false)
    }

    /// Lets nothing through from one place to a TCP port of another, as a packet filter on the way does.
    ///
    /// # Errors
    /// As [`Testbed::cut`].
    pub fn close_port(&self, from: &str, to: &str, port: u16) -> Result<()> {
        self.cuts.port(self.place(from)?, self.place(to)?, port, true)
    }

    fn place(&self, name: &str) -> Result<Ipv4Addr> {
        match name {
            OUTSIDE => Ok(self.outside()),
            name => Ok(self.host(name)?.address()),
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("== last words of {}\n{}", host.name(), host.last_words());
            }
        }
    }
}

/// Polls until `holds` says true, or the time is up.
///
/// # Errors
/// It was not true within `limit`; the error names `what`. An error of `holds` ends the wait at once.
#[allow(
    clippy::disallowed_methods,
    reason = "a poll with a deadline, in a library without a runtime"
)]
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds()? {
        if Instant::now() > deadline {
            bail!("not within {limit:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn hosts_file(hosts: &[Host], outside: Ipv4Addr) -> String {
    let mut book = format!("127.0.0.1 localhost\n{outside} outside\n");
    for host in hosts {
        book.push_str(&format!("{} {}\n", host.address(), host.name()));
    }
    book
}

fn preflight() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("test hosts need root: run `make test-hosts` as root");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in
        ["systemd-nspawn", "debootstrap", "ip", "nft", "nsenter", "unshare", "timeout", "mount"]
    {
        let found = std::env::split_paths(&path)
            .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
            .any(|folder| folder.join(program).exists());
        if !found {
            bail!("test hosts need the program {program}: run `make setup-hosts`");
        }
    }
    Ok(())
}

/// Makes ready what all hosts share, so that [`Testbed::up`] takes seconds.
///
/// # Errors
/// As [`Testbed::up`].
pub fn prepare() -> Result<()> {
    preflight()?;
    base::tree(&cache()?).map(drop)
}

/// Removes what killed runs of this checkout left behind, and nothing else. Nothing to do is fine.
///
/// # Errors
/// Not root, or a leftover cannot be removed.
pub fn sweep() -> Result<()> {
    preflight()?;
    run::sweep(&cache()?)
}

/// The folder for base tree and runs. Not below the Cargo target directory of the day, so that every
/// way of building shares one base tree per checkout.
pub(crate) fn cache() -> Result<PathBuf> {
    let cache = match std::env::var_os("BELLOWS_TESTBED_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/testbed")),
    };
    std::fs::create_dir_all(&cache).with_context(|| format!("folder {}", cache.display()))?;
    std::fs::canonicalize(&cache).with_context(|| format!("folder {}", cache.display()))
}
