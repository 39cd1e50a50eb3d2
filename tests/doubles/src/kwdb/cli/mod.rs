//! The command line of `kwbase` as a state machine (facts sections 2, 3, 4, 6). Exit status is 0 or 1, nothing else.
//!
//! Unconfirmed: help and usage texts; what is printed for a flag or command that there is not.

pub(crate) mod flags;
mod format;
mod run;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use flags::Connection;
pub use format::Format;
pub use wire::{Answer, LocalWire, Wire};

use flags::{CONNECTION, Flag, Words, connection, split};

use super::{Failure, Groups, Knobs, NodeId};

/// How the program was called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The words after the program's name.
    pub argv: Vec<String>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Standard output is a terminal.
    pub tty: bool,
}

impl Invocation {
    /// These words, no environment, no terminal.
    #[must_use]
    pub fn of(argv: &[&str]) -> Self {
        Self { argv: argv.iter().map(|word| (*word).to_owned()).collect(), ..Self::default() }
    }
}

/// What a command is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Task {
    Status { node: Option<NodeId>, groups: Groups, timeout_ms: Option<i64> },
    List { timeout_ms: Option<i64> },
    Decommission { nodes: Vec<NodeId>, wait: bool },
    Recommission { nodes: Vec<NodeId> },
    Drain { quit: bool, wait_ms: i64 },
    Init,
    Sql { statements: Vec<String>, go_on: bool },
}

/// What happens next to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// It waits: step it again at this time, in milliseconds since 1970.
    Again {
        /// When.
        at_ms: i64,
    },
    /// It ended.
    Ended {
        /// The exit status, 0 or 1.
        status: i32,
    },
}

/// A running command. Its output grows with each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Standard output up to now.
    pub stdout: String,
    /// Standard error up to now.
    pub stderr: String,
    /// Where it connects to.
    pub connection: Connection,
    name: String,
    format: Format,
    task: Task,
    pace: Knobs,
    begun_ms: i64,
    asked_ms: Option<i64>,
    stage: u32,
    backoff_ms: i64,
    least: Option<u64>,
    last: Option<String>,
    failed: bool,
    ended: Option<i32>,
}

impl Client {
    /// Steps until it ended or waits; for the wire of a simulation.
    pub fn go(&mut self, wire: &mut dyn Wire, now_ms: i64) -> Turn {
        loop {
            match self.step(wire, now_ms) {
                Turn::Again { at_ms } if at_ms <= now_ms => {}
                turn @ (Turn::Again { .. } | Turn::Ended { .. }) => return turn,
            }
        }
    }

    /// The exit status, once it ended.
    #[must_use]
    pub fn ended(&self) -> Option<i32> {
        self.ended
    }
}

const NODES: &[Flag] = &[("wait", None, true), ("decommission", None, false)];
const STATUS: &[Flag] = &[
    ("decommission", None, false),
    ("ranges", None, false),
    ("stats", None, false),
    ("all", None, false),
    ("timeout", None, true),
];
const DRAIN: &[Flag] = &[("drain-wait", None, true), ("decommission", None, false)];
const SQL: &[Flag] = &[
    ("execute", Some('e'), true),
    ("set", None, true),
    ("echo-sql", None, false),
    ("safe-updates", None, false),
    ("watch", None, true),
];

/// Reads the words and gives the client, to be stepped with [`Client::step`]. Words that it refuses give one that has ended already.
///
/// `start*`, `cert` and `version` are not here: they ask no node.
#[must_use]
pub fn begin(call: &Invocation, knobs: &Knobs, now_ms: i64) -> Client {
    let name = command_name(&call.argv);
    let mut client = Client {
        stdout: String::new(),
        stderr: String::new(),
        connection: Connection {
            address: String::new(),
            insecure: false,
            certs_dir: String::new(),
            user: String::new(),
            database: String::new(),
            connect_ms: 0,
        },
        name,
        format: Format::Tsv,
        task: Task::Init,
        pace: knobs.clone(),
        begun_ms: now_ms,
        asked_ms: None,
        stage: 0,
        backoff_ms: 5,
        least: None,
        last: None,
        failed: false,
        ended: None,
    };
    match read(call, &mut client, knobs) {
        Ok(()) => {}
        Err(failure) => client.fail(&failure),
    }
    client
}

/// What `kwbase version` prints: lines of `Label:   value` (section 2.3), here cut to what the facts say, and the last line is only the
/// double's: `Double:            bellows`. Who reports about tests takes `"double":true` from it.
#[must_use]
pub fn version(knobs: &Knobs) -> String {
    format!("KaiwuDB Version:   {}\nDouble:            bellows\n", knobs.version)
}

/// The command's own words: `node status`, `sql`.
fn command_name(argv: &[String]) -> String {
    let deep = argv.first().is_some_and(|word| matches!(word.as_str(), "node" | "cert"));
    let words = argv.iter().take(if deep { 2 } else { 1 });
    words.filter(|word| !word.starts_with('-')).cloned().collect::<Vec<_>>().join(" ")
}

fn read(call: &Invocation, client: &mut Client, knobs: &Knobs) -> Result<(), Failure> {
    let taken = client.name.split_whitespace().count();
    let rest = call.argv.get(taken..).unwrap_or_default();
    let own = match client.name.as_str() {
        "node status" => STATUS,
        "node ls" => &[("timeout", None, true)] as &[Flag],
        "node decommission" | "node recommission" => NODES,
        "node drain" | "quit" => DRAIN,
        "init" => &[],
        "sql" => SQL,
        other => {
            return Err(Failure::plain(format!("unknown command \"{other}\" for \"kwbase\"")));
        }
    };
    let words = split(rest, &[CONNECTION, own], knobs)?;
    client.connection = connection(&words, &call.env)?;
    client.format = Format::of(words.last("format"), call.tty)?;
    client.task = task(&client.name.clone(), &words, client)?;
    Ok(())
}

fn task(name: &str, words: &Words, client: &mut Client) -> Result<Task, Failure> {
    let timeout_ms = match words.last("timeout") {
        None => None,
        Some(text) => Some(super::health::duration_ms(text).ok_or_else(|| {
            Failure::plain(format!(
                "invalid argument \"{text}\" for \"--timeout\" flag: time: invalid duration {text}"
            ))
        })?),
    };
    let no_words = || match words.positional.first() {
        None => Ok(()),
        Some(word) => {
            Err(Failure::plain(format!("unknown command \"{word}\" for \"kwbase {name}\"")))
        }
    };
    Ok(match name {
        "node status" => {
            let all = words.is_set("all");
            let node = match words.positional.as_slice() {
                [] => None,
                [text] => Some(
                    text.parse()
                        .map_err(|_| Failure::plain(format!("could not parse node_id {text}")))?,
                ),
                [..] => {
                    return Err(Failure::plain(format!(
                        "accepts at most 1 arg(s), received {}",
                        words.positional.len()
                    )));
                }
            };
            Task::Status {
                node,
                groups: Groups {
                    ranges: all || words.is_set("ranges"),
                    stats: all || words.is_set("stats"),
                    decommission: all || words.is_set("decommission"),
                },
                timeout_ms,
            }
        }
        "node ls" => {
            no_words()?;
            Task::List { timeout_ms }
        }
        "node decommission" => {
            let wait = match words.last("wait") {
                None | Some("all") => true,
                Some("none") => false,
                Some("live") => {
                    client
                        .stderr
                        .push_str("\n--wait=live is deprecated and is treated as --wait=all\n");
                    true
                }
                Some(other) => {
                    return Err(Failure::plain(format!(
                        "invalid argument \"{other}\" for \"--wait\" flag: invalid node decommission parameter: {other} (possible values: all, none)"
                    )));
                }
            };
            Task::Decommission { nodes: nodes(words)?, wait }
        }
        "node recommission" => Task::Recommission { nodes: nodes(words)? },
        "node drain" | "quit" => {
            no_words()?;
            let text = words.last("drain-wait").unwrap_or("10m");
            let wait_ms = super::health::duration_ms(text).ok_or_else(|| {
                Failure::plain(format!(
                    "invalid argument \"{text}\" for \"--drain-wait\" flag: time: invalid duration {text}"
                ))
            })?;
            Task::Drain { quit: name == "quit", wait_ms }
        }
        "init" => {
            no_words()?;
            Task::Init
        }
        _ => {
            let statements: Vec<String> =
                words.all("execute").flat_map(super::sql::statements).collect();
            let go_on = words.all("set").any(|set| set.replace(' ', "") == "errexit=false");
            Task::Sql { statements, go_on }
        }
    })
}

fn nodes(words: &Words) -> Result<Vec<NodeId>, Failure> {
    if words.positional.is_empty() {
        return Err(Failure::plain("requires at least 1 arg(s), only received 0".to_owned()));
    }
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            Failure::plain(format!(
                "unable to parse {text}: strconv.ParseInt: parsing \"{text}\": invalid syntax"
            ))
        })
    };
    words.positional.iter().map(parse).collect()
}
