//! Who led when: every server is asked all the time, by itself, whether it is a primary.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{self, Instant},
};

use crate::sql::{Login, Server};

/// Between two questions to a server.
const PAUSE: Duration = Duration::from_millis(100);
/// A server is a primary for as long as it runs: one that was it twice was it in between.
const QUESTION: &str =
    "select pg_is_in_recovery()::text || ' ' || pg_postmaster_start_time()::text";

/// The time for which a server led for certain.
#[derive(Debug, Clone)]
struct Reign {
    host: String,
    /// When this server was started, by its own word.
    server: String,
    /// It had answered that it leads.
    since: Instant,
    /// It was asked, and answered so once more.
    until: Instant,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Reigns {
    seen: Arc<Mutex<Vec<Reign>>>,
    _asking: JoinSet<()>,
}

impl Reigns {
    /// Begins to ask. `hosts`: names and addresses.
    pub fn watch(hosts: impl IntoIterator<Item = (String, String)>, login: &Login) -> Self {
        let seen = Arc::default();
        let mut asking = JoinSet::new();
        for (host, address) in hosts {
            asking.spawn(ask(host, address, login.clone(), Arc::clone(&seen)));
        }
        Self { seen, _asking: asking }
    }

    /// The longest time for which two servers led at once since the last call, in words; `None`:
    /// that never was.
    pub fn two_at_once(&self) -> Option<(Duration, String)> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        longest(&seen)
    }
}

fn longest(seen: &[Reign]) -> Option<(Duration, String)> {
    let pairs = seen.iter().enumerate().flat_map(|(index, one)| {
        seen.iter().skip(index + 1).filter(|other| other.host != one.host).map(move |o| (one, o))
    });
    let both = pairs.filter_map(|(one, other)| {
        let until = one.until.min(other.until);
        let long = until.checked_duration_since(one.since.max(other.since))?;
        Some((long, format!("{} and {} led at once for {long:?}", one.host, other.host)))
    });
    both.max_by_key(|(long, _)| *long)
}

async fn ask(host: String, address: String, login: Login, seen: Arc<Mutex<Vec<Reign>>>) {
    loop {
        // One that does not answer leads nobody.
        if let Ok(server) = Server::connect(&address, &login).await {
            loop {
                let asked = Instant::now();
                let Ok(answer) = server.text(QUESTION).await else { break };
                if let Some(started) = answer.strip_prefix("false ") {
                    leads(&seen, &host, started, asked);
                }
                time::sleep(PAUSE).await;
            }
        }
        time::sleep(PAUSE).await;
    }
}

fn leads(seen: &Mutex<Vec<Reign>>, host: &str, server: &str, asked: Instant) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match seen.iter_mut().find(|reign| reign.host == host && reign.server == server) {
        Some(reign) => reign.until = asked,
        None => {
            let (host, server) = (host.to_owned(), server.to_owned());
            seen.push(Reign { host, server, since: Instant::now(), until: asked });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_reigns_of_two_hosts_at_once_count() {
        let zero = Instant::now();
        let at = |seconds| zero + Duration::from_secs(seconds);
        let reign = |host: &str, since, until| Reign {
            host: host.to_owned(),
            server: "once".to_owned(),
            since: at(since),
            until: at(until),
        };
        // One answer proves no time; a successor is no second one.
        assert!(longest(&[reign("db1", 1, 0), reign("db1", 2, 5), reign("db2", 6, 9)]).is_none());
        let two = [reign("db1", 0, 5), reign("db2", 4, 9), reign("db3", 2, 3)];
        assert_eq!(longest(&two).unwrap().0, Duration::from_secs(1));
    }
}
