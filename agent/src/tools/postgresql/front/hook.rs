//! A proxy of another kind behind a program that the host's root declared.
//!
//! `COMMAND read` prints what the proxy serves, `COMMAND set` reads what it shall serve on standard
//! input: the same JSON. Exit status 0 of `set` is no proof: it is read back.

use std::time::Duration;

use bellows_proto::v1::{Fault, FaultCode, FrontBackend};
use serde::{Deserialize, Serialize};

use super::{MOST, Wanted};
use crate::{
    config::fronts::Front,
    exec::Invocation,
    facilities::{Runner, fault},
    tools::JobContext,
};

const READ_DEADLINE: Duration = Duration::from_millis(3500);
/// It may wait for clients to go.
const SET_DEADLINE: Duration = Duration::from_secs(540);

/// What is read and written.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// Only in what is set.
    #[serde(default)]
    cluster: String,
    /// Likewise.
    #[serde(default)]
    front: String,
    backends: Vec<ToldBackend>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct ToldBackend {
    node: String,
    address: String,
    port: u16,
    /// Clients are led to it.
    attached: bool,
    /// It takes writes.
    primary: bool,
}

fn invocation(
    command: &[String],
    user: Option<&str>,
    verb: &str,
    deadline: Duration,
) -> Invocation {
    let (program, first) = command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let words = first.iter().cloned().chain([verb.to_owned()]);
    let run = Invocation::new(program, words, deadline);
    match user {
        Some(user) => run.user(user),
        None => run,
    }
}

/// What the proxy serves.
pub(super) async fn read(
    command: &[String],
    user: Option<&str>,
    runner: &dyn Runner,
) -> Result<Vec<FrontBackend>, Fault> {
    let told = told(command, user, runner).await?;
    let backend = |one: ToldBackend| FrontBackend {
        node: one.node,
        address: one.address,
        port: one.port.into(),
        attached: Some(one.attached),
        primary: Some(one.primary),
    };
    Ok(told.into_iter().map(backend).collect())
}

async fn told(
    command: &[String],
    user: Option<&str>,
    runner: &dyn Runner,
) -> Result<Vec<ToldBackend>, Fault> {
    let run = invocation(command, user, "read", READ_DEADLINE);
    let shown = run.command();
    let finished = runner.read(run).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&shown, &finished, "tell what the front serves")
            .remedy("run it by hand with the word `read`"));
    }
    parse(&finished.stdout).map_err(|why| fault::unreadable(&shown, &why, &finished.stdout))
}

fn parse(stdout: &[u8]) -> Result<Vec<ToldBackend>, String> {
    let told: Told = serde_json::from_slice(stdout).map_err(|error| error.to_string())?;
    if told.backends.len() > MOST {
        return Err(format!("{} backends, at most {MOST} are read", told.backends.len()));
    }
    Ok(told.backends)
}

/// Makes the proxy serve exactly these, and reads back that it does.
pub(super) async fn set(
    front: &Front,
    (command, user): (&[String], Option<&str>),
    wanted: &[Wanted],
    context: &JobContext,
) -> Result<(), Fault> {
    let backend = |one: &Wanted| ToldBackend {
        node: one.node.clone(),
        address: one.address.to_string(),
        port: one.port,
        attached: one.attached,
        primary: one.primary,
    };
    let mut backends: Vec<ToldBackend> = wanted.iter().map(backend).collect();
    backends.sort();
    let sorted = |mut list: Vec<ToldBackend>| {
        list.sort();
        list
    };
    if told(command, user, context).await.is_ok_and(|there| sorted(there) == backends) {
        return Ok(());
    }
    let text = Told {
        cluster: front.cluster.clone(),
        front: front.name.clone(),
        backends: backends.clone(),
    };
    let bytes = serde_json::to_vec(&text)
        .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
    let run = invocation(command, user, "set", SET_DEADLINE).stdin(bytes);
    let shown = run.command();
    let finished = context.run(run).await?;
    if !finished.success() {
        return Err(fault::tool_failed(&shown, &finished, "make the front serve these members")
            .remedy("read its words above, mend it, then retry: it may be called again"));
    }
    if sorted(told(command, user, context).await?) == backends {
        return Ok(());
    }
    Err(Fault::new(FaultCode::ToolFailed, "the hook ended well, and reads back something else")
        .remedy("`read` must print what `set` was given once the proxy serves it"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let text = br#"{"backends":[{"node":"pg1","address":"10.0.0.1","port":5432,"attached":true,"primary":true}],"more":1}"#;
        let told = parse(text).unwrap();
        assert_eq!((told.len(), told.first().unwrap().port), (1, 5432));
        assert!(parse(b"{}").is_err());
        assert!(parse(b"").is_err());
    }

    #[test]
    fn the_verb_follows_the_declared_words() {
        let command = ["/etc/bellows/hooks/haproxy".to_owned(), "orders".to_owned()];
        let run = invocation(&command, None, "set", READ_DEADLINE);
        assert_eq!(run.command(), ["/etc/bellows/hooks/haproxy", "orders", "set"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
