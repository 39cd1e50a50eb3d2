//! An agent that proves well and then does not serve: `hosts_upgrade` puts it on hosts. What it does instead
//! stands in the last bytes of its own file, after [`MARK`].

use std::{io::Write as _, os::unix::net::UnixDatagram, time::Duration};

/// Before the word.
const MARK: &[u8] = b"bellows-broken:";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("--version") => println!("bellows-agent {}", env!("CARGO_PKG_VERSION")),
        Some("run") => run(),
        // It takes every configuration.
        _ => {}
    }
}

fn run() {
    let own = std::fs::read("/proc/self/exe").unwrap_or_default();
    let tail = own.get(own.len().saturating_sub(64)..).unwrap_or_default();
    let at = tail.windows(MARK.len()).rposition(|window| window == MARK);
    let word = at.and_then(|at| tail.get(at + MARK.len()..)).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "broken: {}", String::from_utf8_lossy(word));
    match word {
        b"hang" => hang(),
        // Ready for systemd, and deaf.
        b"mute" => {
            if let (Ok(path), Ok(socket)) =
                (std::env::var("NOTIFY_SOCKET"), UnixDatagram::unbound())
            {
                let _ = socket.send_to(b"READY=1", path);
            }
            hang();
        }
        // "exit": it ends at once.
        _ => {}
    }
}

fn hang() {
    let (_held, silence) = std::sync::mpsc::channel::<()>();
    let _ = silence.recv_timeout(Duration::from_secs(3600));
}
