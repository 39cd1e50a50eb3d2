//! The programs as processes on loopback addresses, at a fast pace.
#![cfg(feature = "programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::disallowed_methods)] // The test starts programs; it sleeps only between two looks.

mod programs {
    mod deploy;
    pub(crate) mod end;
    mod refusals;
    mod scale;
    mod secure;
    mod survival;
}

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use programs::end::to_its_end;

/// How long anything may take; on a busy machine a command that takes a second may take half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Hosts of one test: addresses `127.<run>.<test>.<n>`.
pub(crate) struct Site {
    // Before the folder: what a node writes while that is removed stays behind.
    pub(crate) nodes: Vec<Running>,
    pub(crate) dir: tempfile::TempDir,
    net: String,
    pub(crate) secure: bool,
    pub(crate) mode: &'static str,
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", programs::end::tale(self.dir.path()));
        }
    }
}

pub(crate) struct Running {
    pub(crate) n: u8,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let done =
            Command::new("/bin/kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(done.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> i32 {
        until("the process to end", || self.child.try_wait().unwrap()).code().unwrap_or(-1)
    }
}

/// Looks until there is something; panics after a while.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Site {
    /// `test`: a number that no other test has.
    pub(crate) fn new(test: u8, double_toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        // By another process: what this one has open for writing, a child that starts just then has too, and nobody can run it.
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_kwbase"))
            .arg(dir.path().join("bin/kwbase"))
            .status();
        assert!(copied.unwrap().success());
        std::fs::write(dir.path().join("bin/double.toml"), double_toml).unwrap();
        let run = 20 + std::process::id() % 200;
        Self {
            dir,
            net: format!("127.{run}.{test}"),
            secure: false,
            nodes: Vec::new(),
            mode: "start",
        }
    }

    pub(crate) fn host(&self, n: u8) -> String {
        format!("{}.{n}", self.net)
    }

    pub(crate) fn address(&self, n: u8) -> String {
        format!("{}:26257", self.host(n))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn certs(&self, n: u8) -> PathBuf {
        self.path(&format!("certs{n}"))
    }

    pub(crate) fn kwbase(&self) -> Command {
        let mut command = Command::new(self.path("bin/kwbase"));
        command.env_clear().env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let mut command = self.kwbase();
        command.args(words);
        to_its_end(command, PATIENCE)
    }

    /// How client commands connect to a node.
    pub(crate) fn to(&self, n: u8) -> [String; 2] {
        let security = if self.secure {
            format!("--certs-dir={}", self.certs(n).display())
        } else {
            "--insecure".to_owned()
        };
        [security, format!("--host={}", self.address(n))]
    }

    /// A client command at a node, in csv.
    pub(crate) fn at(&self, n: u8, words: &[&str]) -> Output {
        let to = self.to(n);
        let mut all = words.to_vec();
        all.extend(to.iter().map(String::as_str));
        all.push("--format=csv");
        self.run(&all)
    }

    pub(crate) fn out(&self, n: u8, words: &[&str]) -> String {
        let output = self.at(n, words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    pub(crate) fn sql(&self, n: u8, statement: &str) -> String {
        self.out(n, &["sql", "-e", statement])
    }

    /// The words with which a node is started.
    pub(crate) fn start_words(&self, n: u8) -> Vec<String> {
        let security = self.to(n)[0].clone();
        vec![
            self.mode.to_owned(),
            security,
            format!("--store={}", self.path(&format!("store{n}")).display()),
            format!("--listen-addr={}", self.address(n)),
            format!("--http-addr={}:8080", self.host(n)),
            format!("--brpc-addr={}:27257", self.host(n)),
            format!("--join={},{}", self.address(1), self.address(2)),
        ]
    }

    pub(crate) fn start(&mut self, n: u8) {
        let log = std::fs::File::create(self.path(&format!("out{n}"))).unwrap();
        let err = log.try_clone().unwrap();
        let child =
            self.kwbase().args(self.start_words(n)).stdout(log).stderr(err).spawn().unwrap();
        self.nodes.push(Running { n, child });
    }

    /// Waits until a node says that it is in, and gives the block of its start.
    pub(crate) fn joined(&self, n: u8) -> String {
        until(&format!("node {n} to join"), || {
            let text = std::fs::read_to_string(self.path(&format!("out{n}"))).unwrap();
            text.contains("nodeID:").then_some(text)
        })
    }

    /// A cluster of so many nodes, up-replicated.
    pub(crate) fn cluster(&mut self, nodes: u8) {
        for n in 1..=nodes {
            self.start(n);
        }
        let init = until("init", || {
            let output = self.at(1, &["init"]);
            output.status.success().then_some(output)
        });
        assert_eq!(text(&init.stdout), "Cluster successfully initialized\n");
        for n in 1..=nodes {
            self.joined(n);
        }
        // Below three nodes some ranges have too few replicas for ever.
        if nodes >= 3 {
            self.calm(1, nodes);
        }
    }

    /// Makes the table `t`. It begins with one replica; while there is none on each of the three nodes, an end of one of them takes its majority away,
    /// and statements on it wait until that one is back.
    pub(crate) fn table(&self) {
        self.sql(1, "CREATE TABLE t (id INT PRIMARY KEY)");
        until("the replicas of the table", || {
            let out = self.sql(1, "SELECT replicas FROM kwdb_internal.ranges");
            out.lines().skip(1).all(|row| row == "\"{1,2,3}\"").then_some(())
        });
    }

    /// Waits until nothing is unavailable or under-replicated, and every node has something.
    pub(crate) fn calm(&self, at: u8, nodes: u8) {
        let health = "SELECT sum((metrics->>'ranges.unavailable')::DECIMAL)::INT AS u, sum((metrics->>'ranges.underreplicated')::DECIMAL)::INT AS r, count(*) AS n FROM kwdb_internal.kv_store_status WHERE range_count > 0";
        until("calm", || {
            let out = self.sql(at, health);
            (out.lines().nth(1) == Some(&format!("0,0,{nodes}"))).then_some(())
        });
    }

    pub(crate) fn node(&mut self, n: u8) -> &mut Running {
        self.nodes.iter_mut().rev().find(|node| node.n == n).unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, n: u8) {
        let at = self.nodes.iter().position(|node| node.n == n).unwrap();
        drop(self.nodes.remove(at));
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self, n: u8) -> i32 {
        let node = self.node(n);
        node.signal("TERM");
        let status = node.ended();
        self.kill(n);
        status
    }

    /// The exact number of a node's replicas.
    pub(crate) fn replicas(&self, at: u8, id: u32) -> u64 {
        let out = self.sql(
            at,
            &format!("SELECT count(*) FROM kwdb_internal.ranges WHERE {id} = ANY(replicas)"),
        );
        out.lines().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn http(&self, n: u8, target: &str) -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(format!("{}:8080", self.host(n))).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// Small and fast.
pub(crate) const FAST: &str = "pace = 60\nranges = 6\n";
