//! The keeper: holds the hosts, and does one thing after the other.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

use super::{Place, Reply, Request};
use crate::{
    ssh::Admin,
    testbed::{Host, Testbed},
};

/// Who connects has something to say.
const PATIENCE: Duration = Duration::from_secs(10);

/// Boots `count` hosts, `h1` and so on, and keeps them until it is told to take them down. `name`: of this set.
///
/// # Errors
/// The set is up already, or as [`Testbed::up`].
pub fn keep(name: &str, count: u8) -> Result<()> {
    let place = Place::of(name)?;
    let lock = File::create(&place.lock).with_context(|| place.lock.display().to_string())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .context("these hosts are up, or come up or go down right now: `make hosts-down` first")?;
    let names: Vec<String> = (1..=count).map(|number| format!("h{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let testbed = Testbed::up(&names)?;
    let_in(&testbed)?;
    // Of a keeper that was killed.
    let _ = std::fs::remove_file(&place.socket);
    let listener = UnixListener::bind(&place.socket)
        .with_context(|| format!("socket {}", place.socket.display()))?;
    for stream in listener.incoming() {
        let mut stream = stream.context("accept a caller")?;
        let reply = match heard(&stream) {
            Ok(Request::Down) => {
                drop(testbed);
                let _ = std::fs::remove_file(&place.socket);
                answer(&mut stream, &Reply::Done(format!("{count} hosts are down")));
                return Ok(());
            }
            Ok(request) => match perform(&testbed, &request) {
                Ok(said) => Reply::Done(said),
                Err(error) => Reply::Failed(format!("{error:#}")),
            },
            Err(error) => Reply::Failed(format!("{error:#}")),
        };
        answer(&mut stream, &reply);
    }
    Ok(())
}

/// A key and a configuration of ssh of this set's own, and a login as root on each host.
fn let_in(testbed: &Testbed) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let admin = runtime.block_on(Admin::new(testbed.folder()))?;
    let mut config = std::fs::read_to_string(admin.config()).context("the configuration of ssh")?;
    for host in testbed.hosts() {
        admin.let_in(host)?;
        admin.know(host)?;
        let (name, address) = (host.name(), host.address());
        config.push_str(&format!("Host {name}\n  HostName {address}\n  User root\n"));
    }
    std::fs::write(admin.config(), config).context("the configuration of ssh")
}

fn heard(stream: &UnixStream) -> Result<Request> {
    stream.set_read_timeout(Some(PATIENCE)).context("a caller")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("a caller says nothing")?;
    serde_json::from_str(&line).with_context(|| format!("not understood: {line:?}"))
}

/// A caller that went away wants no answer.
fn answer(stream: &mut UnixStream, reply: &Reply) {
    if let Ok(text) = serde_json::to_string(reply) {
        let _ = stream.write_all(text.as_bytes());
    }
}

fn perform(testbed: &Testbed, request: &Request) -> Result<String> {
    let host = |name: &str| testbed.host(name);
    match request {
        Request::Status | Request::Down => return Ok(status(testbed)),
        Request::Cut { one, other } => testbed.cut(one, other)?,
        Request::Heal { one, other } => testbed.heal(one, other)?,
        Request::Unplug { host: name } => host(name)?.network(false)?,
        Request::Plug { host: name } => host(name)?.network(true)?,
        Request::PowerCut { host: name } => host(name)?.power_cut()?,
        Request::Boot { host: name } => start(host(name)?)?,
        Request::Delay { host: name, ms } => {
            host(name)?.delay(Duration::from_millis((*ms).into()))?;
        }
        Request::Disk { host: name, folder, mib } => host(name)?.small_disk(folder, *mib)?,
        Request::Fill { host: name, folder } => host(name)?.fill(folder)?,
        Request::Free { host: name, folder } => host(name)?.free(folder)?,
    }
    Ok("done".to_owned())
}

/// sshd was started by hand, not by the host's boot.
fn start(host: &Host) -> Result<()> {
    host.boot()?;
    host.succeed(&["systemctl", "start", "ssh"]).map(drop)
}

fn status(testbed: &Testbed) -> String {
    let config = testbed.folder().join("ssh_config");
    let line = |host: &Host| {
        let power = if host.is_on() { "on " } else { "off" };
        let (name, address) = (host.name(), host.address());
        format!("{name:<5} {address:<15} {power}  ssh -F {} {name}\n", config.display())
    };
    let hosts: String = testbed.hosts().iter().map(line).collect();
    format!("{hosts}outside {} is this machine", testbed.outside())
}
