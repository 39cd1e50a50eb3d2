//! `deploy.sh` and `kw-status`, with another root and a stand-in for `systemctl`.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::end::{output_of, to_its_end};
use crate::{FAST, PATIENCE, Site, exists, text, until};

/// What runs the unit's ExecStart, stops it, and says whether it runs.
const SYSTEMCTL: &str = r#"#!/bin/bash
pid=ROOT/pid
alive() { [ -f $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; }
case $1 in
daemon-reload) ;;
is-active) alive ;;
start)
	alive && exit 0
	. ROOT/etc/kaiwudb/script/kaiwudb_env
	line=$(sed -n 's/^ExecStart=//p' ROOT/etc/systemd/system/kaiwudb.service)
	eval "setsid $line >ROOT/out 2>&1 </dev/null 9>&- &"
	echo $! >$pid ;;
stop) kill "$(cat $pid)"; while alive; do sleep 0.1; done ;;
esac
"#;

struct Package<'a> {
    site: &'a Site,
    dir: std::path::PathBuf,
    root: std::path::PathBuf,
}

impl Drop for Package<'_> {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.root.join("pid")) {
            let _ = Command::new("/bin/kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

impl<'a> Package<'a> {
    /// `test`: 0 to 2, for the ports: the unit's listeners are on all addresses.
    fn new(site: &'a Site, test: u8, n: u8, secure: &str) -> Self {
        let (dir, root) = (site.path(&format!("package{n}")), site.path(&format!("root{n}")));
        bellows_doubles::package::lay_out(&dir, &site.path("bin/kwbase")).unwrap();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let toml = format!("{FAST}root = \"{}\"\n", root.display());
        std::fs::write(dir.join("double.toml"), toml).unwrap();
        // Below the ports that the machine gives out by itself.
        let port = 20_000 + u32::from(n) + (u32::from(test) + std::process::id() % 200 * 3) * 20;
        let cfg = std::fs::read_to_string(dir.join("deploy.cfg")).unwrap();
        let cfg = cfg
            .replace("node_addr=127.0.0.1", &format!("node_addr={}", site.host(n)))
            .replace("=insecure", &format!("={secure}"))
            .replace("=26257", &format!("={port}"))
            .replace("=8080", &format!("={}", port + 5))
            .replace("=27257", &format!("={}", port + 10));
        std::fs::write(dir.join("deploy.cfg"), cfg).unwrap();
        let systemctl = root.join("bin/systemctl");
        std::fs::write(&systemctl, SYSTEMCTL.replace("ROOT", &root.display().to_string())).unwrap();
        std::fs::set_permissions(&systemctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { site, dir, root }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.dir.join("deploy.sh"));
        command.args(words).env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.root.join("bin").display()),
        );
        command
    }

    fn run(&self, words: &[&str], input: &str) -> Output {
        use std::io::Write;
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        output_of(child, &words.join(" "), PATIENCE)
    }

    fn ok(&self, words: &[&str], input: &str) -> String {
        let output = self.run(words, input);
        assert!(
            output.status.success(),
            "{words:?}: {} {}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn port(&self) -> String {
        self.mode(5)
    }

    fn mode(&self, line: usize) -> String {
        let mode = std::fs::read_to_string(self.root.join("etc/kaiwudb/info/MODE")).unwrap();
        mode.lines().nth(line - 1).unwrap().to_owned()
    }

    fn unit(&self) -> String {
        std::fs::read_to_string(self.root.join("etc/systemd/system/kaiwudb.service")).unwrap()
    }

    fn kwbase(&self, words: &[&str]) -> String {
        let mut all = words.to_vec();
        let host = format!("--host={}:{}", self.site.host(1), self.port());
        all.extend(["--insecure", "--format=csv", &host]);
        text(&self.site.run(&all).stdout)
    }
}

#[test]
fn an_unknown_word_prints_usage_and_ends_with_0() {
    let site = Site::new(30, FAST);
    let package = Package::new(&site, 0, 1, "insecure");
    for words in
        [&["frobnicate"] as &[&str], &[], &["join"], &["cluster", "-x"], &["install", "--no"]]
    {
        let output = package.run(words, "");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(
            text(&output.stdout).starts_with("Usage: deploy.sh COMMAND"),
            "{words:?}: {}",
            text(&output.stdout)
        );
    }
    let output = package.run(&["join", "--addr", "127.0.0.1:1"], "");
    assert_eq!(output.status.code(), Some(1));
    let out = text(&output.stdout);
    assert!(out.starts_with("   \r\u{1b}[31m[ERROR] 20"), "{out:?}");
    assert!(
        out.ends_with(" KaiwuDB does not exist. Please install KaiwuDB first.\u{1b}[0m\n"),
        "{out:?}"
    );
    let logs: Vec<_> = std::fs::read_dir(package.dir.join("log")).unwrap().collect();
    assert_eq!(logs.len(), 1);
}

#[test]
fn a_life_with_deploy_sh() {
    let site = Site::new(31, FAST);
    let one = Package::new(&site, 1, 1, "insecure");
    let out = one.ok(&["install", "--multi-replica"], "Y\n");
    assert!(out.contains("[INSTALL COMPLETED]:"), "{out}");
    assert_eq!(one.mode(1), "bare");
    assert_eq!(one.mode(2), "multi-replication");
    assert_eq!(one.mode(8), "insecure");
    assert_eq!(one.mode(10), site.host(1));
    let own = format!(" --join {}:{}", site.host(1), one.port());
    assert!(one.unit().contains(&own), "{}", one.unit());
    assert!(exists(&one.root.join("usr/bin/kw-status")));
    one.ok(&["cluster", "-i"], "");
    let mut packages = Vec::new();
    for n in 2..=4 {
        let more = Package::new(&site, 1, n, "insecure");
        more.ok(&["install", "--multi-replica"], "Y\n");
        let join = format!("{}:{}", site.host(1), one.port());
        let out = more.ok(&["join", "--addr", &join], "");
        assert!(
            out.contains("[JOIN COMPLETED]:Node has been joined to the cluster successfully."),
            "{out}"
        );
        let unit = more.unit();
        assert!(
            unit.contains(&format!(" --join {join}\n")) && unit.matches("--join").count() == 1,
            "{unit}"
        );
        assert!(exists(&more.root.join("etc/systemd/system/kaiwudb.serviceq")));
        let running = more.run(&["join", "--addr", &join], "");
        assert_eq!(running.status.code(), Some(1));
        assert!(text(&running.stdout).contains("KaiwuDB already running."));
        if n == 4 {
            shrink(&one, &more);
            more.ok(&["uninstall"], "y\n");
            assert!(!exists(&more.root.join("etc/systemd/system/kaiwudb.service")));
        }
        packages.push(more);
    }
    let shown = to_its_end(Command::new(one.root.join("usr/bin/kw-status")), PATIENCE);
    assert!(text(&shown.stdout).starts_with("id\taddress\t"), "{}", text(&shown.stderr));
}

/// The defects of `decommission`: it ends at once, an old file lies there, its writer keeps the pipe, the process goes on.
fn shrink(one: &Package<'_>, four: &Package<'_>) {
    until("data on node 4", || {
        let out = one.kwbase(&[
            "sql",
            "-e",
            "SELECT count(*) FROM kwdb_internal.ranges WHERE 4 = ANY(replicas)",
        ]);
        (out != "count\n0\n" && out.starts_with("count")).then_some(())
    });
    let progress = four.dir.join("decommission_progress");
    std::fs::write(&progress, "0\n").unwrap();
    let mut child = four
        .command(&["decommission"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = until("the end of decommission", || child.try_wait().unwrap());
    assert!(status.success());
    let ended = begun.elapsed();
    assert!(ended < Duration::from_secs(10));
    let mut out = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut out).unwrap();
    // Its writer looks for the first time 2 s of the model after the end, and keeps the pipe until it has seen 0.
    let open = begun.elapsed() - ended;
    assert!(open > Duration::from_millis(10), "the pipe was closed {open:?} after the end");
    assert!(
        out.contains(
            "[DECOMMISSION COMPLETED]:Decommission complete. Please wait a few minutes..."
        ),
        "{out}"
    );
    assert_eq!(std::fs::read_to_string(&progress).unwrap(), "0\n");
    assert!(four.kwbase(&["node", "status", "4", "--decommission"]).ends_with(",true,false\n"));
    assert!(exists(&four.root.join("pid")));
}

#[test]
fn join_with_tls_asks_for_the_authority_and_wipes_what_was_there() {
    let site = Site::new(32, FAST);
    let one = Package::new(&site, 2, 1, "tls");
    one.ok(&["install", "--multi-replica"], "Y\n");
    let certs = one.root.join("etc/kaiwudb/certs");
    for name in ["ca.crt", "ca.key", "node.crt", "node.key", "client.root.crt", "client.root.key"] {
        let mode = std::fs::metadata(certs.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with(".key") { 0o700 } else { 0o644 }, "{name}");
    }
    one.ok(&["cluster", "-i"], "");
    let two = Package::new(&site, 2, 2, "tls");
    two.ok(&["install", "--multi-replica"], "Y\n");
    let mine = two.root.join("etc/kaiwudb/certs/mine");
    std::fs::write(&mine, "x").unwrap();
    let join = format!("{}:{}", site.host(1), one.port());
    let nowhere = two.run(&["join", "--addr", &join, "--tls"], "/nowhere\n");
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(exists(&mine));
    let bundle = site.path("kaiwudb_certs.tar.gz");
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(&bundle)
        .args(["-C", &certs.display().to_string(), "./ca.key", "./ca.crt"])
        .status();
    assert!(packed.unwrap().success());
    let out =
        two.ok(&["join", "--addr", &join, "--tls"], &format!("{}\n", site.dir.path().display()));
    assert!(out.contains("[JOIN COMPLETED]:"), "{out}");
    assert!(!exists(&mine), "wiped");
    assert_eq!(two.mode(8), "tls");
    assert!(two.unit().contains("--certs-dir="));
}

#[test]
fn a_container_installation_is_known_by_its_marks() {
    let site = Site::new(33, FAST);
    let root = site.path("box");
    bellows_doubles::package::lay_out_container(&root, &site.path("bin/kwbase"), "10.0.0.9")
        .unwrap();
    let mode = std::fs::read_to_string(root.join("etc/kaiwudb/info/MODE")).unwrap();
    assert_eq!((mode.lines().next(), mode.lines().last()), (Some("container"), Some("10.0.0.9")));
    let version = Command::new(root.join("kaiwudb/bin/kwbase")).arg("version").output().unwrap();
    assert!(text(&version.stdout).ends_with("Double:            bellows\n"));
}
