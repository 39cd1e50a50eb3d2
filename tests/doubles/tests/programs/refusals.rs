//! Starts that are refused, and what goes on for ever.

use std::net::TcpListener;

use super::end::to_its_end;
use crate::{FAST, PATIENCE, Site, text, until};

/// Starts with words changed and gives status and standard error.
fn start(site: &Site, n: u8, change: impl Fn(&mut Vec<String>)) -> (Option<i32>, String) {
    let mut words = site.start_words(n);
    change(&mut words);
    let mut command = site.kwbase();
    command.args(&words);
    let output = to_its_end(command, PATIENCE);
    (output.status.code(), text(&output.stderr))
}

fn replace(words: &mut [String], flag: &str, value: &str) {
    for word in words {
        if word.starts_with(flag) {
            *word = format!("{flag}={value}");
        }
    }
}

#[test]
fn what_cannot_start_says_why() {
    let mut site = Site::new(9, FAST);
    site.cluster(1);
    let (status, err) = start(&site, 2, |words| words.retain(|word| !word.starts_with("--brpc")));
    assert_eq!(
        (status, err.as_str()),
        (
            Some(1),
            "ERROR: failed to start server: --brpc-addr's port not specified\nFailed running \"start\"\n"
        )
    );
    let taken = TcpListener::bind(site.address(2)).unwrap();
    let (status, err) = start(&site, 2, |_| {});
    assert_eq!(status, Some(1));
    assert!(
        err.contains(
            "bind: address already in use\nconsider changing the port via --listen-addr\n"
        ),
        "{err}"
    );
    drop(taken);
    for (flag, port) in [("--http-addr", 8080), ("--brpc-addr", 27257)] {
        let _taken = TcpListener::bind((site.host(2).as_str(), port)).unwrap();
        let (status, err) = start(&site, 2, |_| {});
        assert_eq!(status, Some(1));
        assert!(err.contains(&format!("consider changing the port via {flag}")), "{err}");
    }
    // The store of a running node.
    let store = site.path("store1").display().to_string();
    let (status, err) = start(&site, 2, |words| replace(words, "--store", &store));
    assert_eq!(status, Some(1));
    assert!(err.contains("Resource temporarily unavailable"), "{err}");
    // A store that was made in another mode, and the same through --background.
    std::fs::create_dir_all(site.path("store2")).unwrap();
    std::fs::write(site.path("store2/kwbase.start_mode"), "start-single-replica").unwrap();
    for more in [None, Some("--background")] {
        let (status, err) = start(&site, 2, |words| words.extend(more.map(str::to_owned)));
        assert_eq!(status, Some(1));
        assert_eq!(
            err,
            "ERROR: check start mode failed! Node start mode is start, should be start-single-replica\nFailed running \"start\"\n"
        );
    }
    let (status, err) = start(&site, 3, |words| words.push("--no-such".to_owned()));
    assert_eq!(status, Some(1));
    assert!(err.contains("unknown flag: --no-such"), "{err}");
}

#[test]
fn the_store_of_another_cluster_is_not_let_in() {
    let mut site = Site::new(10, FAST);
    site.cluster(1);
    let other = {
        let mut other = Site::new(11, FAST);
        other.cluster(1);
        other.stop(1);
        let from = other.path("store1");
        let to = site.path("store2");
        std::fs::rename(from, to).unwrap();
        other
    };
    drop(other);
    site.start(2);
    assert_eq!(site.node(2).ended(), 1);
    let said = std::fs::read_to_string(site.path("out2")).unwrap();
    assert!(said.contains("ERROR: node 1 belongs to cluster \""), "{said}");
    assert!(
        said.contains("\" but is attempting to connect to a gossip network for cluster \""),
        "{said}"
    );
}

#[test]
fn a_node_that_reaches_nobody_keeps_trying_and_returned_long_ago() {
    let mut site = Site::new(12, FAST);
    let mut words = site.start_words(2);
    let pid = site.path("pid").display().to_string();
    words.extend(["--background".to_owned(), format!("--pid-file={pid}")]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(site.run(&words).status.code(), Some(0), "it returns before it has joined");
    let log = site.path("store2/logs/kwbase.log");
    until("the remark", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("The server appears to be unable to contact the other nodes in the cluster.")
            .then_some(())
    });
    assert_eq!(site.http(2, "/health").0, 200);
    assert_eq!(site.http(2, "/health?ready=1").0, 503);
    let drain = site.at(2, &["node", "drain"]);
    assert!(
        text(&drain.stderr)
            .starts_with("ERROR: node cannot be drained before it has been initialized\n")
    );
    // Its seed comes up: it is in without being started again.
    site.start(1);
    until("init", || site.at(1, &["init"]).status.success().then_some(()));
    until("it is in", || (site.out(1, &["node", "ls"]) == "id\n1\n2\n").then_some(()));
    let pid = std::fs::read_to_string(pid).unwrap();
    assert!(
        std::process::Command::new("/bin/kill")
            .args(["-KILL", pid.trim()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn what_leaks_into_the_environment_does_harm() {
    let mut site = Site::new(13, FAST);
    site.cluster(1);
    let to = site.to(1);
    let mut command = site.kwbase();
    command
        .args(["node", "status", &to[1]])
        .env("KWBASE_INSECURE", "true")
        .env("KWBASE_USER", "guest");
    let output = to_its_end(command, PATIENCE);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("SQLSTATE: 42501"));
    let mut command = site.kwbase();
    command.args(["node", "status", "--insecure"]).env("KWBASE_HOST", site.address(9));
    let output = to_its_end(command, PATIENCE);
    assert!(
        text(&output.stderr).starts_with("ERROR: cannot dial server.\nIs the server running?\n")
    );
}

#[test]
fn faults_are_turned_on_in_the_file_beside_the_program() {
    let mut site = Site::new(14, FAST);
    site.cluster(1);
    assert!(site.out(1, &["node", "status"]).starts_with("id,address"));
    let file = site.path("bin/double.toml");
    std::fs::write(&file, format!("{FAST}status_garbage = true\n")).unwrap();
    until("garbage", || (!site.out(1, &["node", "status"]).contains("id,address")).then_some(()));
    std::fs::write(&file, format!("{FAST}hang = true\n")).unwrap();
    until("silence", || {
        let output = site.at(1, &["node", "status", "--timeout=10s"]);
        (output.status.code() == Some(1)).then_some(())
    });
    std::fs::write(&file, "colour = 1\n").unwrap();
    let output = site.at(1, &["node", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("double.toml: "));
}
