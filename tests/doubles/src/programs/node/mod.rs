//! A node's process (facts section 5).

mod answer;
mod core;
mod http;
mod life;
mod peers;
mod share;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{say_err, say_out, tls, told};
use crate::kwdb::{Failure, Knobs, StartArgs};
use core::Core;
use life::{End, Life};
use peers::Peers;
use share::Disk;

/// Set for the process that a `--background` start leaves behind.
const BEHIND: &str = "KWDB_DOUBLE_BACKGROUND";
/// The line by which it says that it listens.
const LISTENS: &str = "listening";

pub(crate) fn run(argv: &[String], env: &BTreeMap<String, String>, knobs: &Knobs) -> i32 {
    let name = argv.first().map_or("start", String::as_str);
    let ended = StartArgs::parse(argv, env, knobs).and_then(|args| {
        if args.background && !env.contains_key(BEHIND) {
            return behind(argv).map_err(Failure::plain);
        }
        stay(args, env.contains_key(BEHIND), knobs).map_err(Failure::plain)
    });
    match ended {
        Ok(status) => status,
        Err(failure) => {
            say_err(&told(&failure, name));
            1
        }
    }
}

/// Starts the same program again and leaves it behind when it listens, which may be before it has joined.
#[allow(clippy::disallowed_methods)] // It starts itself: that is what `--background` is.
fn behind(argv: &[String]) -> Result<i32, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = std::process::Command::new(program)
        .args(argv)
        .env(BEHIND, "1")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| format!("could not start in the background: {error}"))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let read = BufReader::new(out).read_line(&mut line);
        read.map_err(|error| error.to_string())?;
    }
    if line.trim() == LISTENS {
        return Ok(0);
    }
    let mut text = String::new();
    if let Some(mut err) = child.stderr.take() {
        // What it said is shown as it is.
        let _ = err.read_to_string(&mut text);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    say_err(&text);
    Ok(status.code().unwrap_or(1))
}

fn bind(address: &str, flag: &str) -> Result<TcpListener, String> {
    let address = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let mut found =
        address.to_socket_addrs().map_err(|error| format!("unable to lookup {flag}: {error}"))?;
    let to = found.next().ok_or_else(|| format!("unable to lookup {flag}: {address}"))?;
    TcpListener::bind(to).map_err(|error| {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            format!(
                "failed to start server: listen tcp {to}: bind: address already in use\nconsider changing the port via {flag}"
            )
        } else {
            format!("failed to start server: listen tcp {to}: bind: {error}")
        }
    })
}

fn stay(args: StartArgs, behind: bool, knobs: &Knobs) -> Result<i32, String> {
    if behind {
        // Its own session: what ends the starter does not end it. It may be a leader already.
        let _ = rustix::process::setsid();
    }
    let certificates = |why: String| {
        format!(
            "cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure for insecure clusters.\n\n{why}"
        )
    };
    let dir = (!args.insecure).then(|| PathBuf::from(&args.certs_dir));
    let (listen_tls, http_tls) = match &dir {
        None => (None, None),
        Some(dir) => (
            Some(tls::server(dir, true).map_err(certificates)?),
            Some(tls::server(dir, false).map_err(certificates)?),
        ),
    };
    let peers = Peers::new(dir.as_deref()).map_err(certificates)?;
    let store = Path::new(&args.store);
    let (disk, share) = Disk::open(store)?;
    share.store.allows(args.mode)?;
    disk.mode(args.mode).map_err(|error| format!("could not write start mode: {error}"))?;
    let listener = bind(&args.listen, "--listen-addr")?;
    let http = bind(&args.http, "--http-addr")?;
    // Nothing is spoken there; the port is taken.
    let _brpc = bind(&args.brpc, "--brpc-addr")?;
    let logs = args.log_dir.as_ref().map_or_else(|| store.join("logs"), PathBuf::from);
    fs::create_dir_all(&logs)
        .map_err(|error| format!("could not create log directory: {error}"))?;
    note(args.pid_file.as_deref(), &std::process::id().to_string())?;
    let security = if args.insecure { "?sslmode=disable" } else { "" };
    note(args.url_file.as_deref(), &format!("postgresql://root@{}{security}", args.advertise))?;

    let life = Life::new(args, logs.join("kwbase.log"), knobs.clone());
    let core = Core::new(share, disk, peers, knobs.clone());
    signals(&life, &core)?;
    for part in [Part::Requests(listener, listen_tls), Part::Http(http, http_tls), Part::Watch] {
        let (core, life) = (Arc::clone(&core), Arc::clone(&life));
        thread::spawn(move || match part {
            Part::Requests(listener, tls) => answer::listen(listener, &core, &life, tls.as_ref()),
            Part::Http(listener, tls) => http::listen(listener, &core, tls.as_ref()),
            Part::Watch => life::watch(&core),
        });
    }
    if behind {
        say_out(&format!("{LISTENS}\n"));
    }
    {
        let (core, life) = (Arc::clone(&core), Arc::clone(&life));
        thread::spawn(move || life.enter(&core));
    }
    match life.wait() {
        End::Asked => Ok(0),
        End::Refused(text) => {
            life.say(&format!("F {text}"));
            Err(text)
        }
    }
}

enum Part {
    Requests(TcpListener, Option<Arc<rustls::ServerConfig>>),
    Http(TcpListener, Option<Arc<rustls::ServerConfig>>),
    Watch,
}

fn note(path: Option<&str>, text: &str) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    fs::write(path, format!("{text}\n")).map_err(|error| format!("could not write {path}: {error}"))
}

/// The unit's ExecStop sends SIGTERM and systemd another one right after it: facts section 4.3 calls that stop graceful, so both are one.
const ONE_STOP: Duration = Duration::from_millis(500);

/// SIGTERM and SIGINT drain and end; the second one ends at once.
fn signals(life: &Arc<Life>, core: &Arc<Core>) -> Result<(), String> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| format!("no signals: {error}"))?;
    let (life, core) = (Arc::clone(life), Arc::clone(core));
    thread::spawn(move || {
        let mut first: Option<Instant> = None;
        for signal in &mut signals {
            if signal == SIGHUP {
                continue;
            }
            match first {
                None => {
                    first = Some(Instant::now());
                    life.drain(&core);
                }
                Some(at) if at.elapsed() < ONE_STOP => {}
                Some(_) => hard(),
            }
        }
    });
    Ok(())
}

#[allow(clippy::disallowed_methods)] // A hard end is what a second signal asks for.
fn hard() {
    std::process::exit(1);
}
