//! No command is waited for without a limit: a hang is a failure that tells what the nodes know.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{FAST, Site};

/// Runs a command to its end. One that has not ended within `limit` is killed, and the test fails.
pub(crate) fn to_its_end(mut command: Command, limit: Duration) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    output_of(child, &words.join(" "), limit)
}

/// Waits for the end of `what`, and of its output. If that does not come within `limit` it is killed, and the test fails.
pub(crate) fn output_of(child: Child, what: &str, limit: Duration) -> Output {
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        // Whoever waits for it may have given up.
        let _ = sender.send(child.wait_with_output());
    });
    match ended.recv_timeout(limit) {
        Ok(output) => output.unwrap(),
        Err(_) => {
            let _ = kill_process(pid, Signal::KILL);
            panic!("no end within {limit:?}: {what}")
        }
    }
}

/// What the nodes of a site said last, and what is in their stores: who led last, who its members are, where the ranges are.
pub(crate) fn tale(dir: &Path) -> String {
    let mut tale = String::new();
    for n in 1..10 {
        let store = dir.join(format!("store{n}"));
        if !store.exists() {
            continue;
        }
        let said = fs::read_to_string(dir.join(format!("out{n}"))).unwrap_or_default();
        tale.push_str(&format!("== host {n} said:\n{said}"));
        let text = fs::read_to_string(store.join("double.json")).unwrap_or_default();
        let share: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let state = &share["accepted"];
        tale.push_str(&format!(
            "It is node {}, has promised term {}, and has change {} of term {}, led by node {}; members {}.\n",
            share["store"]["node"],
            share["promised"],
            state["version"],
            state["term"],
            state["term"].as_u64().unwrap_or_default() % 1_000,
            state["voters"],
        ));
        let each = |name: &str| state["cluster"][name].as_object().into_iter().flatten();
        for (id, node) in each("nodes") {
            tale.push_str(&format!("node {id}: {}, up {}\n", node["address"], node["up"]));
        }
        for (id, range) in each("ranges") {
            let (at, underway) = (&range["replicas"], &range["underway"]);
            tale.push_str(&format!("range {id} {}: {at}, {underway}\n", range["table"]));
        }
    }
    tale
}

#[test]
#[should_panic(expected = "no end within 1s")]
fn a_command_without_an_end_is_a_failure() {
    let mut site = Site::new(16, FAST);
    site.start(1);
    let mut command = site.kwbase();
    // Nobody lets it in.
    command.args(site.start_words(2));
    to_its_end(command, Duration::from_secs(1));
}

#[test]
fn the_tale_tells_members_and_ranges() {
    let mut site = Site::new(17, FAST);
    site.cluster(1);
    let tale = tale(site.dir.path());
    assert!(tale.contains("led by node 1; members [1].\n"), "{tale}");
    assert!(tale.contains("range 1 \"meta\": [1], null\n"), "{tale}");
}
