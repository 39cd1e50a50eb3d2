//! `bellows-agent job` against real jobs, with nobody else there who would look after them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use bellows_agent::host::Signal;
use bellows_proto::v1::{FaultCode, JobState};
use support::TestHost;

#[test]
fn shim() {
    support::be_a_shim_if_asked();
}

#[allow(clippy::disallowed_methods)] // As an administrator would.
fn agent(host: &TestHost, words: &[&str]) -> Output {
    Command::new(support::AGENT)
        .arg("job")
        .args(words)
        .args(["--config", host.path().join("agent.toml").as_str()])
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn word(host: &TestHost, act: u32) -> String {
    format!("{}/{act}/1", host.operation)
}

#[tokio::test]
async fn jobs_are_listed_read_and_ended_by_hand() {
    let host = TestHost::new();
    assert_eq!(out(&agent(&host, &["list"])), "There are no jobs.\n");
    host.start(1, "true").await;
    host.ended(1).await;
    let stubborn = "trap '' TERM; echo hello; echo > $HERE/up; while :; do sleep 0.1; done";
    host.start(2, stubborn).await;
    host.file("up").await;
    let listed = out(&agent(&host, &["list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[1].starts_with(&word(&host, 2)), "{listed}");
    assert!(lines[1].contains(" orders   running  "), "{listed}");
    assert!(lines[2].starts_with(&word(&host, 1)) && lines[2].contains(" succeeded "), "{listed}");
    // The beginning of its name is enough where it fits one only.
    assert_eq!(out(&agent(&host, &["logs", &format!("{}/2", host.operation)])), "hello\n");
    let told = out(&agent(&host, &["cancel", &word(&host, 2)]));
    assert!(told.starts_with(&format!("{} cancelled: ", word(&host, 2))), "{told}");
    let ended = host.get(2).await;
    assert_eq!(ended.state(), JobState::Cancelled);
    let fault = ended.fault.unwrap();
    assert_eq!(fault.code(), FaultCode::Cancelled);
    assert!(fault.message.starts_with("cancelled on the host by uid "), "{fault}");
    host.nothing_left(2).await;
    // Of one that is over nothing changes.
    let told = out(&agent(&host, &["cancel", &word(&host, 1)]));
    assert!(told.contains(" succeeded"), "{told}");
}

#[tokio::test]
async fn a_job_without_its_shim_is_brought_to_its_end() {
    let host = TestHost::new();
    host.start(1, "echo > $HERE/up; while :; do sleep 0.1; done").await;
    host.file("up").await;
    let machine = host.local().host;
    let shim = machine.process(host.shim_pid(1)).unwrap();
    machine.signal(shim, Signal::Kill).unwrap();
    let started = Instant::now();
    while !out(&agent(&host, &["list"])).contains(" running, but no process lives ") {
        assert!(started.elapsed() < support::LIMIT, "its tool lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    out(&agent(&host, &["cancel", &host.operation]));
    host.nothing_left(1).await;
    assert_eq!(host.get(1).await.state(), JobState::Cancelled);
}

#[tokio::test]
async fn a_word_that_fits_none_or_several_does_nothing() {
    let host = TestHost::new();
    for act in [1, 2] {
        host.start(act, "echo > $HERE/up; while [ ! -e $HERE/go ]; do sleep 0.05; done").await;
    }
    for words in [["cancel", host.operation.as_str()], ["logs", ""], ["cancel", "no-such"]] {
        let refused = agent(&host, &words);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    let several = String::from_utf8(agent(&host, &["logs", &host.operation]).stderr).unwrap();
    assert!(several.contains("fits several jobs") && several.contains(&word(&host, 2)));
    std::fs::write(host.folder.path().join("go"), "").unwrap();
    for act in [1, 2] {
        assert_eq!(host.ended(act).await.state(), JobState::Succeeded);
    }
}
