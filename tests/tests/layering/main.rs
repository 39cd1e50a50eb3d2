//! Who may use whom: the table of the architecture, held against the sources. A change of the table is
//! a change of the design and gets its own review.
//!
//! It sees `use` lines and path expressions, also through `super` and imported names, not in tests. What
//! Cargo forbids by itself (a crate that is no dependency) needs no row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod paths;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use paths::{Source, scan};

/// One row of the table. A row holds for a module and all below it that have no row of their own.
struct Row {
    /// Crate folder and module path.
    module: &'static str,
    /// Modules of ours that it may use besides itself; `None`: any, but for `never`.
    may: Option<&'static [&'static str]>,
    /// Paths that it must not use, ours or others'.
    never: &'static [&'static [&'static str]],
    /// No `async`.
    sync: bool,
    /// What would go wrong.
    why: &'static str,
}

const PROCESSES: &[&str] =
    &["std::process::Command", "std::process::Child", "std::process::Stdio", "tokio::process"];
const STORES: &[&str] = &["sled"];
const COMMAND_LINE: &[&str] = &["clap"];
const FILES: &[&str] = &["std::fs", "tokio::fs", "rustix::fs", "tempfile"];
const SOCKETS: &[&str] = &[
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "tokio::net",
    "rustix::net",
];
const RPC: &[&str] = &["tonic", "hyper", "hyper_util", "tower", "http", "h2", "proto::tls"];
const THREADS: &[&str] = &[
    "std::thread",
    "tokio::task::spawn_blocking",
    "tokio::task::block_in_place",
    "tokio::runtime",
    "futures::executor",
];
const TIME: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio::time",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "rustix::time",
];
const CHANCE: &[&str] = &[
    "getrandom",
    "rand",
    "uuid::Uuid::now_v7",
    "uuid::Uuid::new_v4",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::hash::RandomState",
];
const ENVIRONMENT: &[&str] = &["std::env"];

/// What a function must not touch so that the same question has the same answer tomorrow.
const PURE: &[&[&str]] = &[
    STORES,
    COMMAND_LINE,
    FILES,
    SOCKETS,
    RPC,
    THREADS,
    TIME,
    CHANCE,
    ENVIRONMENT,
    PROCESSES,
    &["tokio", "futures"],
];

const TABLE: &[Row] = &[
    Row {
        module: "proto",
        may: Some(&[]),
        never: &[PROCESSES, STORES, COMMAND_LINE, FILES],
        sync: false,
        why: "it is what both programs share: messages, names, TLS identities",
    },
    Row {
        module: "agent",
        may: Some(&["proto"]),
        never: &[STORES],
        sync: false,
        why: "agent and coordinator meet in the protocol only",
    },
    Row {
        module: "agent::tools",
        may: Some(&["proto", "agent::exec", "agent::host", "agent::facilities", "agent::config"]),
        never: &[STORES, SOCKETS, RPC, PROCESSES],
        sync: false,
        why: "a tool is argv out, parser in; what starts, fences and streams it is written once",
    },
    Row {
        module: "agent::facilities",
        may: Some(&["proto", "agent::exec", "agent::host", "agent::config"]),
        never: &[STORES, SOCKETS, RPC, PROCESSES, FILES],
        sync: false,
        why: "it serves every tool and knows none; its files go through the host's seam",
    },
    Row {
        module: "agent::jobs",
        may: None,
        never: &[STORES, FILES, SOCKETS, RPC, PROCESSES, THREADS, TIME, CHANCE, &["coordinator"]],
        sync: false,
        why: "jobs know the world through `Host` and `Clock`, so that they run in a simulation",
    },
    Row {
        module: "agent::surveys",
        may: Some(&["proto", "agent::host", "agent::facilities", "agent::tools"]),
        never: &[STORES, FILES, SOCKETS, RPC, PROCESSES, THREADS, TIME, CHANCE],
        sync: false,
        why: "surveys know the world through `Host` and `Clock`, so that they run in a simulation",
    },
    Row {
        module: "agent::surveys::schedule",
        may: Some(&["proto"]),
        never: PURE,
        sync: true,
        why: "when a survey runs and what of it is told is a pure function",
    },
    Row {
        module: "agent::audit",
        may: Some(&["proto", "agent::host", "agent::facilities"]),
        never: &[STORES, FILES, SOCKETS, RPC, PROCESSES, THREADS, TIME, CHANCE],
        sync: true,
        why: "what jobs tell it is written through `Host`, so that it runs in a simulation",
    },
    Row {
        module: "agent::exec",
        may: Some(&[]),
        never: &[STORES, RPC, COMMAND_LINE],
        sync: false,
        why: "it starts programs for anybody and knows nobody",
    },
    Row {
        module: "coordinator",
        may: Some(&["proto"]),
        never: &[PROCESSES],
        sync: false,
        why: "agent and coordinator meet in the protocol only; the coordinator starts no program",
    },
    Row {
        module: "coordinator::spec",
        may: Some(&["proto"]),
        never: PURE,
        sync: true,
        why: "how a spec changes is a pure function",
    },
    Row {
        module: "coordinator::plan",
        may: Some(&["proto", "coordinator::spec"]),
        never: PURE,
        sync: true,
        why: "plans are data: pure, sync, the same today and tomorrow",
    },
    Row {
        module: "coordinator::paper",
        may: Some(&[
            "proto",
            "coordinator::plan",
            "coordinator::cli::text",
            "coordinator::cli::words",
        ]),
        never: PURE,
        sync: true,
        why: "paper is made of messages alone: the same plan is the same file, with nobody asked",
    },
    Row {
        module: "coordinator::systems",
        may: Some(&["proto", "coordinator::plan", "coordinator::spec"]),
        never: PURE,
        sync: true,
        why: "systems are pure: no clock, no I/O, no order of hash maps in what they decide",
    },
    Row {
        module: "coordinator::explain",
        may: Some(&[
            "proto",
            "coordinator::plan",
            "coordinator::systems",
            "coordinator::bootstrap::rules",
        ]),
        never: PURE,
        sync: true,
        why: "what a code means does not depend on anything that runs",
    },
    Row {
        module: "coordinator::engine",
        may: Some(&["proto", "coordinator::plan", "coordinator::spec"]),
        never: &[
            STORES,
            COMMAND_LINE,
            FILES,
            SOCKETS,
            RPC,
            THREADS,
            TIME,
            CHANCE,
            ENVIRONMENT,
            PROCESSES,
        ],
        sync: false,
        why: "it knows the world through its four ports, so that it runs in a simulation",
    },
    Row {
        module: "coordinator::store",
        may: Some(&["proto", "coordinator::spec", "coordinator::engine::ports"]),
        never: &[COMMAND_LINE, SOCKETS, RPC, PROCESSES, &["tokio"]],
        sync: true,
        why: "the store knows bytes and events; replacing sled touches nothing else",
    },
    Row {
        module: "coordinator::bootstrap",
        may: Some(&["proto"]),
        never: &[STORES, COMMAND_LINE, SOCKETS, RPC, PROCESSES],
        sync: false,
        why: "it goes to hosts by ssh, in the administrator's process, and asks the coordinator through its port",
    },
    Row {
        module: "coordinator::bootstrap::survey",
        may: Some(&["proto", "coordinator::bootstrap"]),
        never: PURE,
        sync: true,
        why: "what a host printed is read the same today and tomorrow",
    },
    Row {
        module: "coordinator::bootstrap::rules",
        may: Some(&["proto", "coordinator::bootstrap"]),
        never: PURE,
        sync: true,
        why: "what is wrong with a host is judged from its survey alone",
    },
    Row {
        module: "coordinator::cli",
        may: None,
        never: &[
            STORES,
            PROCESSES,
            &["agent", "coordinator::engine", "coordinator::store", "coordinator::systems"],
        ],
        sync: false,
        why: "the command line knows the API only: all that it can do, the API can do",
    },
];

/// Tools of one system may know each other; a tool that is not listed here is alone.
const TOOLS: &[(&str, &[&str])] = &[
    (
        "postgresql",
        &[
            "postgresql",
            "psql",
            "repmgr",
            "initdb",
            "pg_controldata",
            "pg_basebackup",
            "pg_ctl",
            "pgbackrest",
            "pgpool",
        ],
    ),
    ("kwdb", &["kwdb", "kwbase", "deploy_sh"]),
    ("bookkeeper", &["bookkeeper", "bookkeeper_http", "bookkeeper_places", "bookkeeper_shell"]),
];
/// Modules beside tools and systems that all of them may use.
const SHARED: &[&str] = &[
    "agent::tools::context",
    "agent::tools::csv",
    "agent::tools::proc",
    "agent::tools::values",
    "coordinator::systems::host",
];

/// The engine does not know a system, not even by name. Names of folders in `systems/` are added.
const SYSTEM_NAMES: &[&str] =
    &["postgres", "repmgr", "kingbase", "kwdb", "kafka", "rabbitmq", "redis"];

#[test]
fn the_sources_keep_to_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources: Vec<Source> = ["proto", "agent", "coordinator"]
        .iter()
        .flat_map(|name| sources(&root.join(name).join("src"), name))
        .collect();
    let test_only: BTreeSet<&str> =
        sources.iter().flat_map(|source| &source.test_modules).map(String::as_str).collect();
    let modules = sources.iter().map(|source| source.module.clone()).collect();

    let violations: Vec<String> = sources
        .iter()
        .filter(|source| !test_only.iter().any(|test| within(&source.module, test)))
        .flat_map(|source| check(source, &modules))
        .collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));

    for row in TABLE {
        let known = sources.iter().any(|source| within(&source.module, row.module));
        assert!(known, "the table has a row for {}, which is not there", row.module);
    }
}

/// Everything in a source that the table forbids, in words.
fn check(source: &Source, modules: &BTreeSet<String>) -> Vec<String> {
    let row = TABLE
        .iter()
        .filter(|row| within(&source.module, row.module))
        .max_by_key(|row| row.module.len())
        .expect("every crate has a row");
    let complain = |line: usize, what: &str| {
        format!("{}:{line}: {} must not use {what}: {}", source.file, row.module, row.why)
    };
    let mut found = Vec::new();
    for (line, path) in &source.paths {
        let ours = ["proto", "agent", "coordinator"].iter().any(|name| within(path, name));
        let allowed = row.may.is_none_or(|may| {
            within(path, row.module) || may.iter().any(|module| within(path, module))
        });
        if (ours && !allowed) || row.never.concat().iter().any(|never| touches(path, never)) {
            found.push(complain(*line, path));
        }
        if other_system(&source.module, path, modules) {
            found.push(complain(*line, &format!("another system's {path}")));
        }
    }
    if let (true, Some(line)) = (row.sync, source.first_async) {
        found.push(complain(line, "async"));
    }
    if row.module == "coordinator::engine" {
        let known = modules.iter().filter(|module| !SHARED.iter().any(|one| within(module, one)));
        let known = known.filter_map(|module| part(module, "coordinator::systems"));
        let systems: BTreeSet<&str> = SYSTEM_NAMES.iter().copied().chain(known).collect();
        for (line, word) in &source.words {
            let word = word.to_lowercase();
            if systems.iter().any(|name| word.contains(name)) {
                found.push(complain(*line, &format!("a system's name ({word})")));
            }
        }
    }
    found
}

/// Whether a module of one system uses a module of another one.
fn other_system(module: &str, path: &str, modules: &BTreeSet<String>) -> bool {
    let owner = |path: &str| -> Option<String> {
        let (top, name) = ["agent::tools", "coordinator::systems"]
            .into_iter()
            .find_map(|top| Some((top, part(path, top)?)))?;
        if let Some((system, _)) = TOOLS.iter().find(|(_, tools)| tools.contains(&name)) {
            return Some((*system).to_owned());
        }
        let module = format!("{top}::{name}");
        let alone = modules.contains(&module) && !SHARED.contains(&module.as_str());
        alone.then(|| name.to_owned())
    };
    // What stands in the parent itself (a shared type, the dispatch) has no owner.
    matches!((owner(module), owner(path)), (Some(from), Some(to)) if from != to)
}

/// The part of a path right below a module.
fn part<'a>(path: &'a str, module: &str) -> Option<&'a str> {
    path.strip_prefix(module)?.strip_prefix("::")?.split("::").next()
}

/// Whether a path is the module or in it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a path is in what is forbidden, or takes it in with a `*`.
fn touches(path: &str, never: &str) -> bool {
    within(path, never) || path.strip_suffix("::*").is_some_and(|parent| within(never, parent))
}

fn sources(folder: &Path, module: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let inner = format!("{module}::{stem}");
        if path.is_dir() {
            found.extend(sources(&path, &inner));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if matches!(stem, "lib" | "main" | "mod") { module } else { &inner };
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(scan(&path.display().to_string(), module, &text));
        }
    }
    found
}

/// The checker itself: each of these breaks the rule that it stands for, or does not.
#[test]
fn violations_are_found() {
    let modules = [
        "agent::tools::repmgr",
        "agent::tools::kwbase",
        "coordinator::systems::postgresql",
        "coordinator::systems::kwdb",
    ];
    let modules = modules.map(str::to_owned).into();
    let complaints = |module: &str, text: &str| check(&scan("x.rs", module, text), &modules).len();
    let forbidden = [
        ("proto::names", "use clap::Parser;"),
        ("proto::names", "use std::process; fn f() { process::Command::new(a); }"),
        ("agent::server", "use bellows::engine;"),
        ("agent::tools::repmgr", "use crate::server::State;"),
        ("agent::tools::repmgr", "use super::super::jobs::Record;"),
        ("agent::tools::repmgr", "use super::kwbase::parse_nodes;"),
        ("agent::tools::repmgr", "use crate::{host::Host, tools::kwbase};"),
        ("agent::tools::repmgr", "fn f() { tokio::net::TcpStream::connect(a); }"),
        ("agent::exec::shim", "use bellows_proto::v1::Job;"),
        ("agent::exec", "fn f() { crate::host::files::write(); }"),
        ("coordinator::systems::postgresql::plan", "use std::time::SystemTime;"),
        ("coordinator::systems::postgresql::plan", "use std::{fmt, time::*};"),
        (
            "coordinator::systems::postgresql::plan",
            "use std::time; fn f() { time::Instant::now(); }",
        ),
        (
            "coordinator::systems::postgresql::plan",
            "use std::time as t; fn f() { t::Instant::now(); }",
        ),
        ("coordinator::systems::postgresql::plan", "pub async fn plan() {}"),
        ("coordinator::systems::postgresql::plan", "use crate::store::Store;"),
        ("coordinator::systems::postgresql::plan", "use crate::engine::run;"),
        ("coordinator::systems::postgresql", "use super::kwdb::rules;"),
        ("coordinator::systems", "fn f(m: std::collections::HashMap<u8, u8>) {}"),
        ("coordinator::plan", "fn f() -> ::std::fs::File { todo!() }"),
        ("coordinator::engine::steps", "use crate::store::Store;"),
        ("coordinator::engine::steps", "use tonic::Status;"),
        ("coordinator::engine::steps", "use crate::systems;"),
        ("coordinator::engine::steps", "fn f() { match system { System::Postgresql => 1 } }"),
        ("coordinator::engine::steps", "fn f() { log(\"the Kafka way\") }"),
        ("coordinator::engine", "async fn f() { tokio::time::sleep(d).await }"),
        ("coordinator::engine", "#[cfg(not(test))] use sled::Db;"),
        ("coordinator::store", "use crate::cli::render;"),
        ("coordinator::cli::expand", "use crate::engine::ports::Clock;"),
        ("coordinator::cli", "pub use crate::{api, store::Store};"),
        ("coordinator::api", "use bellows_agent::config;"),
    ];
    for (module, text) in forbidden {
        assert_eq!(complaints(module, text), 1, "{module}: {text}");
    }
    let fine = [
        ("proto::names", "fn f() { std::process::abort() }"),
        ("proto::tls", "use rustls::ServerConfig; use tokio::net::TcpListener;"),
        ("agent::tools", "pub mod repmgr; fn f() { repmgr::show(); self::kwbase::show(); }"),
        ("agent::tools::repmgr", "use crate::exec::Invocation; use super::psql::Row;"),
        ("agent::tools::repmgr", "use crate::tools::{context::JobContext, holdings};"),
        ("agent::tools::repmgr", "use super::ParseError; use bellows_proto::v1::PgNode;"),
        ("agent::exec", "use tokio::process::Command; use rustix::process::Signal;"),
        ("coordinator::systems", "fn f() { postgresql::plan(); kwdb::plan(); }"),
        ("coordinator::systems::kwdb", "use crate::plan::Step; use std::time::Duration;"),
        (
            "coordinator::plan",
            "// use std::fs;\n/* sled::Db /* sled::Db */ */ const A: &str = \"std::fs\";",
        ),
        ("coordinator::plan", "const A: &str = r#\"std::fs \" sled::Db\"#; const B: char = '\"';"),
        ("coordinator::plan", "fn f<'a>(a: &'a str) -> Vec<u8> { a.bytes().collect::<Vec<u8>>() }"),
        (
            "coordinator::engine",
            "#[cfg(test)]\nmod tests { use sled::Db; mod inner { use tonic::Code; } }",
        ),
        (
            "coordinator::engine",
            "use bellows_proto::v1::Event; use super::plan::Plan; // postgresql",
        ),
        ("coordinator::store", "use sled::Db; use std::fs::File;"),
        ("coordinator::cli", "use bellows_proto::v1::coordinator_client::CoordinatorClient;"),
    ];
    for (module, text) in fine {
        assert_eq!(complaints(module, text), 0, "{module}: {text}");
    }
    let source = scan("x.rs", "coordinator::engine", "#[cfg(test)]\n#[path = \"x\"]\nmod tests;");
    assert_eq!(source.test_modules, ["coordinator::engine::tests"]);
}
