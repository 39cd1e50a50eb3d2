//! The caller's side: starts a keeper, tells it what to do, and clears up after one that was killed.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use super::{Place, Reply, Request};
use crate::testbed;

/// Booting two hundred hosts takes a while.
const BOOT: Duration = Duration::from_secs(600);

/// Boots `count` hosts and leaves them up; returns what to know of them.
///
/// # Errors
/// They are up already; or they cannot be made, with what the keeper said.
pub fn up(name: &str, count: u8) -> Result<String> {
    // In sight of the caller: it may take a minute or two.
    testbed::prepare()?;
    let place = Place::of(name)?;
    if UnixStream::connect(&place.socket).is_ok() {
        bail!("hosts are up already: `make hosts-down` takes them down");
    }
    let log = File::create(&place.log).with_context(|| place.log.display().to_string())?;
    // In a session of its own: it stays when the caller's terminal goes.
    let mut keeper = testbed::command("setsid");
    if let Some(cache) = std::env::var_os("BELLOWS_TESTBED_CACHE") {
        keeper.env("BELLOWS_TESTBED_CACHE", cache);
    }
    keeper.arg(std::env::current_exe().context("path of this program")?);
    keeper.args(["--name", name, "keep", &count.to_string()]);
    keeper.stdout(log.try_clone().context("share the log")?).stderr(Stdio::from(log));
    let mut keeper = keeper.spawn().context("start the keeper of the hosts")?;
    let mut said = String::new();
    let came = testbed::wait_until("the hosts are up", BOOT, || {
        if let Some(ended) = keeper.try_wait().context("look at the keeper")? {
            let log = std::fs::read_to_string(&place.log).unwrap_or_default();
            bail!("the keeper of the hosts ended, {ended}\n{}", log.trim_end());
        }
        Ok(match UnixStream::connect(&place.socket) {
            Ok(stream) => {
                said = told(stream, &Request::Status)?;
                true
            }
            Err(_) => false,
        })
    });
    came.map(|()| said)
}

/// Has the keeper do something; returns what it says.
///
/// # Errors
/// No hosts are up, or it failed.
pub fn tell(name: &str, request: &Request) -> Result<String> {
    let place = Place::of(name)?;
    let stream = UnixStream::connect(&place.socket)
        .context("no hosts are up: `make hosts N=4` makes some")?;
    told(stream, request)
}

/// Takes the hosts down, also those of a keeper that was killed, and what other killed runs of this checkout left. Nothing to
/// do is fine.
///
/// # Errors
/// Something cannot be removed, or they come up right now.
pub fn down(name: &str) -> Result<String> {
    let place = Place::of(name)?;
    if let Ok(stream) = UnixStream::connect(&place.socket) {
        return told(stream, &Request::Down);
    }
    let lock = File::create(&place.lock).with_context(|| place.lock.display().to_string())?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .context("these hosts come up or go down right now: try again in a moment")?;
    testbed::sweep()?;
    match std::fs::remove_file(&place.socket) {
        Ok(()) => Ok("their keeper was killed: what was left of the hosts is gone".to_owned()),
        Err(_) => Ok("no hosts are up".to_owned()),
    }
}

fn told(mut stream: UnixStream, request: &Request) -> Result<String> {
    let mut line = serde_json::to_string(request).context("the request")?;
    line.push('\n');
    stream.write_all(line.as_bytes()).context("tell the keeper")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).context("hear the keeper")?;
    match serde_json::from_str(&reply).context("the keeper of the hosts died over it")? {
        Reply::Done(said) => Ok(said),
        Reply::Failed(why) => bail!("{why}"),
    }
}
