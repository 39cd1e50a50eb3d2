//! A disk that gets full under a real `bellows serve`: what cannot be written is refused and not
//! done, the coordinator ends, and with space again a start has all that was acknowledged.
//!
//! `RLIMIT_FSIZE` fails writes (EFBIG, with SIGXFSZ ignored) where a full disk does (ENOSPC),
//! in whichever file comes first: audit log, database, watermark. It needs no root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods, reason = "this test is a shell")]

use std::{path::Path, process::Stdio, time::Duration};

use bellows::store::Store;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::process::{Child, Command};

const BELLOWS: &str = env!("CARGO_BIN_EXE_bellows");
/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(60);

struct Ended {
    code: Option<i32>,
    err: String,
}

async fn ended(child: Child) -> Ended {
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
    let output = output.expect("it ends").unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Ended { code: output.status.code(), err }
}

fn started(program: &str, words: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn bellows(site: &str, words: &[&str]) -> Ended {
    ended(started(BELLOWS, &[&["--site", site], words].concat())).await
}

/// Answers within the deadline.
async fn serving(site: &str) -> Child {
    // What a shell ignores stays ignored: else the signal kills before the write can fail.
    let shell = r#"trap '' XFSZ; exec "$0" --site "$1" serve"#;
    let child = started("sh", &["-c", shell, BELLOWS, site]);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while bellows(site, &["host", "list"]).await.code != Some(0) {
        assert!(tokio::time::Instant::now() < deadline, "it does not serve");
    }
    child
}

fn limit(serving: &Child, bytes: u64) {
    let id = i32::try_from(serving.id().unwrap()).unwrap();
    let most = Rlimit { current: Some(bytes), maximum: None };
    prlimit(Some(Pid::from_raw(id).unwrap()), Resource::Fsize, most).unwrap();
}

#[tokio::test]
async fn a_full_disk_ends_the_coordinator_with_nothing_half_done() {
    for bytes in [0, 4096, 32 << 10] {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let path = site.to_str().unwrap();
        let made = bellows(path, &["init", "--enrolment", "127.0.0.1:0", "--name", "test"]).await;
        assert_eq!(made.code, Some(0), "{}", made.err);
        let coordinator = serving(path).await;
        limit(&coordinator, bytes);
        let mut acknowledged = 0;
        let refused = loop {
            let host = format!("h{}", acknowledged + 1);
            let made = bellows(path, &["host", "token", &host]).await;
            if made.code != Some(0) {
                break made;
            }
            acknowledged += 1;
            assert!(acknowledged < 2000, "nothing fails at {bytes} bytes");
        };
        println!("{bytes}: {acknowledged} acknowledged, then {:?}: {}", refused.code, refused.err);
        assert!(!refused.err.contains("panicked"), "{}", refused.err);
        let end = ended(coordinator).await;
        println!("{:?}: {}", end.code, end.err);
        assert!(end.code.is_some_and(|code| code != 0), "it must end and say so: {}", end.err);
        assert!(end.err.contains("File too large"), "it says why: {}", end.err);
        all_that_was_acknowledged(&site, acknowledged);

        // With space again.
        let coordinator = serving(path).await;
        let host = format!("h{}", acknowledged + 2);
        let made = bellows(path, &["host", "token", &host]).await;
        assert_eq!(made.code, Some(0), "{}", made.err);
        let verified = bellows(path, &["audit", "verify"]).await;
        assert_eq!(verified.code, Some(0), "{}", verified.err);
        drop(coordinator);
    }
}

/// These tokens and at most the one that was refused, whole or not at all; no doubt.
fn all_that_was_acknowledged(site: &Path, acknowledged: u32) {
    let store = Store::open(&site.join("data/store")).unwrap();
    for number in 1..=acknowledged {
        let token = store.token(&format!("h{number}")).unwrap();
        assert!(token.is_some(), "token {number} of {acknowledged} is lost");
    }
    assert!(store.token(&format!("h{}", acknowledged + 2)).unwrap().is_none());
    assert_eq!(store.doubt(), None);
}
