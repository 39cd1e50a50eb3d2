//! The agent's package beside a coordinator on one host: not started before it is configured, upgraded while it runs,
//! not removed while a job runs, removed without a process left, purged.

use std::time::Duration;

use anyhow::{Result, ensure};
use bellows_tests::testbed::{Host, Testbed, wait_until};

use crate::{
    bundles::{Bundle, Bundles, bundles},
    machine::{bring, bring_key, expect, install, processes, start_site, there},
};

const PROGRAM: &str = "/usr/bin/bellows-agent";
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_package_of_the_agent() {
    let testbed = Testbed::up(&["h1"]).unwrap();
    let host = &testbed.hosts()[0];
    let bundles = bundles();
    installed(host, bundles).unwrap();
    upgraded(host, &bundles.next).unwrap();
    not_under_a_job(host).unwrap();
    removed(host).unwrap();
}

fn package(bundle: &Bundle) -> String {
    format!("/root/{}/packages/bellows-agent_{}_amd64.deb", bundle.folder, bundle.version)
}

fn installed(host: &Host, bundles: &Bundles) -> Result<()> {
    bring_key(host, bundles)?;
    let folder = bring(host, &bundles.now)?;
    expect(&install(host, &folder, &[])?, 0, "is installed")?;
    start_site(host, "/usr/bin/bellows")?;

    host.succeed(&["dpkg", "--install", &package(&bundles.now)])?;
    expect(&host.exec(&["systemctl", "is-active", "bellows-agent"])?, 3, "inactive")?;
    expect(&host.exec(&["systemctl", "is-enabled", "bellows-agent"])?, 1, "disabled")?;
    let mode = host.succeed(&["stat", "-c", "%U %a", "/var/lib/bellows-agent"])?;
    ensure!(mode == "root 700\n", "{mode}");

    let address = host.address();
    let config = format!("[agent]\nhost = \"h1\"\naddress = \"{address}\"\n");
    host.put("/etc/bellows/agent.toml", config.as_bytes(), 0o644)?;
    let told = host.succeed(&["bellows", "--output", "json", "host", "token", "h1"])?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let token = told["token"].as_str().expect("a token");
    let coordinator = format!("{address}:7421");
    host.succeed(&[PROGRAM, "enrol", "--coordinator", &coordinator, "--token", token])?;
    host.succeed(&["systemctl", "enable", "--now", "bellows-agent"])?;
    connected(host)
}

fn connected(host: &Host) -> Result<()> {
    wait_until("the agent is connected", LIMIT, || {
        let list = host.exec(&["bellows", "--output", "json", "host", "list"])?;
        let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap_or_default();
        Ok(list["hosts"][0]["state"] == "connected")
    })
}

fn upgraded(host: &Host, next: &Bundle) -> Result<()> {
    let before = main_process(host)?;
    bring(host, next)?;
    host.succeed(&["dpkg", "--install", &package(next)])?;
    wait_until("another process runs", LIMIT, || {
        let now = main_process(host)?;
        Ok(now != before && now != "MainPID=0\n")
    })?;
    connected(host)
}

fn main_process(host: &Host) -> Result<String> {
    host.succeed(&["systemctl", "show", "-p", "MainPID", "bellows-agent"])
}

/// A shim, in a unit of its own as the agent starts it, that waits for its configuration: a pipe that nobody writes.
fn not_under_a_job(host: &Host) -> Result<()> {
    host.succeed(&["mkfifo", "/run/pipe"])?;
    for (word, said) in [("shim", "jobs run on this host"), ("run", "systemd did not start")] {
        let mut words = vec!["systemd-run", "--quiet", "--unit=stand-in", PROGRAM, word];
        words.extend(["--config", "/run/pipe"]);
        if word == "shim" {
            words.extend(["--job", "/run/job"]);
        }
        host.succeed(&words)?;
        wait_until("it runs", LIMIT, || Ok(processes(host, PROGRAM)?.lines().count() == 2))?;
        let refused = host.exec(&["dpkg", "--remove", "bellows-agent"])?;
        expect(&refused, 1, said)?;
        ensure!(processes(host, PROGRAM)?.lines().count() == 2, "something was ended");
        host.succeed(&["systemctl", "is-active", "stand-in", "bellows-agent"])?;
        host.succeed(&["systemctl", "stop", "stand-in"])?;
    }
    Ok(())
}

fn removed(host: &Host) -> Result<()> {
    host.succeed(&["dpkg", "--remove", "bellows-agent"])?;
    ensure!(processes(host, PROGRAM)? == "", "a process runs");
    ensure!(!there(host, PROGRAM));
    for path in ["/etc/bellows/agent.toml", "/var/lib/bellows-agent"] {
        ensure!(there(host, path), "{path} is gone");
    }
    host.succeed(&["dpkg", "--purge", "bellows-agent"])?;
    for path in ["/etc/bellows", "/var/lib/bellows-agent"] {
        ensure!(!there(host, path), "{path} stays");
    }
    // The coordinator is another package.
    host.succeed(&["systemctl", "is-active", "bellows"])?;
    Ok(())
}
