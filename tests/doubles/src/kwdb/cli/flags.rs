//! Words of a command line and what the environment puts under them (facts section 2.1): `KWBASE_*` is honoured as the real program
//! would, so that what leaks into a child does harm here too.
//!
//! Unconfirmed: the text for a flag that there is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kwdb::{Failure, Knobs};

/// A flag: its name, its letter, whether it takes a value.
pub(crate) type Flag = (&'static str, Option<char>, bool);

/// The flags that every client command has.
pub(crate) const CONNECTION: &[Flag] = &[
    ("host", None, true),
    ("port", Some('p'), true),
    ("insecure", None, false),
    ("certs-dir", None, true),
    ("url", None, true),
    ("user", Some('u'), true),
    ("database", Some('d'), true),
    ("cluster-name", None, true),
    ("format", None, true),
];

/// Words, sorted.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) positional: Vec<String>,
    pub(crate) flags: Vec<(String, String)>,
}

impl Words {
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.last(name).is_some_and(|value| value != "false")
    }
}

/// Sorts words into flags and others.
pub(crate) fn split(argv: &[String], known: &[&[Flag]], knobs: &Knobs) -> Result<Words, Failure> {
    let mut words = Words::default();
    let mut rest = argv.iter();
    let find = |name: &str| {
        let without = knobs.without_flags.iter().any(|gone| gone == name);
        known.iter().flat_map(|flags| flags.iter()).find(|flag| !without && flag.0 == name)
    };
    while let Some(word) = rest.next() {
        if word == "--" {
            words.positional.extend(rest.cloned());
            break;
        }
        let (flag, value) = if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let flag =
                find(name).ok_or_else(|| Failure::plain(format!("unknown flag: --{name}")))?;
            (flag, value)
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let letter = short.chars().next().unwrap_or_default();
            let flag = known
                .iter()
                .flat_map(|flags| flags.iter())
                .find(|flag| flag.1 == Some(letter))
                .ok_or_else(|| {
                    Failure::plain(format!("unknown shorthand flag: '{letter}' in -{short}"))
                })?;
            let tail: String = short.chars().skip(1).collect();
            let tail = tail.strip_prefix('=').unwrap_or(&tail).to_owned();
            (flag, (!tail.is_empty()).then_some(tail))
        } else {
            words.positional.push(word.clone());
            continue;
        };
        let value = match value {
            Some(value) => value,
            None if !flag.2 => "true".to_owned(),
            None => rest
                .next()
                .cloned()
                .ok_or_else(|| Failure::plain(format!("flag needs an argument: --{}", flag.0)))?,
        };
        words.flags.push((flag.0.to_owned(), value));
    }
    Ok(words)
}

/// How a client connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `host:port` that is dialled.
    pub address: String,
    /// Without certificates.
    pub insecure: bool,
    /// Where the certificates are.
    pub certs_dir: String,
    /// The user of SQL.
    pub user: String,
    /// The database of SQL; empty if none was named.
    pub database: String,
    /// How long connecting for SQL may take, in milliseconds at pace 1.
    pub connect_ms: i64,
}

/// Takes flags, then the environment, then the defaults.
pub(crate) fn connection(
    words: &Words,
    env: &BTreeMap<String, String>,
) -> Result<Connection, Failure> {
    let env = |name: &str| env.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let mut host = String::new();
    let mut port = "26257".to_owned();
    let mut insecure = false;
    let mut user = "root".to_owned();
    let mut database = String::new();
    let mut take_host = |text: &str, port: &mut String| {
        if let Some((name, number)) = text.rsplit_once(':') {
            name.clone_into(&mut host);
            if !number.is_empty() {
                number.clone_into(port);
            }
        } else {
            text.clone_into(&mut host);
        }
    };
    if let Some(text) = env("KWBASE_HOST") {
        take_host(text, &mut port);
    }
    if let Some(text) = env("KWBASE_PORT") {
        text.clone_into(&mut port);
    }
    if let Some(text) = env("KWBASE_INSECURE") {
        insecure = truth(text).ok_or_else(|| {
            Failure::plain(format!(
                "invalid argument \"{text}\" for \"--insecure\" flag: strconv.ParseBool: parsing \"{text}\": invalid syntax"
            ))
        })?;
    }
    if let Some(text) = env("KWBASE_USER") {
        text.clone_into(&mut user);
    }
    if let Some(text) = env("KWBASE_DATABASE") {
        text.clone_into(&mut database);
    }
    for url in [env("KWBASE_URL"), words.last("url")].into_iter().flatten() {
        let url = Url::of(url)?;
        if !url.host.is_empty() {
            take_host(url.host, &mut port);
        }
        if !url.user.is_empty() {
            url.user.clone_into(&mut user);
        }
        if !url.database.is_empty() {
            url.database.clone_into(&mut database);
        }
        insecure = url.insecure.unwrap_or(insecure);
    }
    if let Some(text) = words.last("port") {
        text.clone_into(&mut port);
    }
    if let Some(text) = words.last("host") {
        take_host(text, &mut port);
    }
    if let Some(text) = words.last("insecure") {
        insecure = text != "false";
    }
    let certs_dir = words
        .last("certs-dir")
        .or(env("KWBASE_CERTS_DIR"))
        .map_or_else(|| format!("{}/.kwbase-certs", env("HOME").unwrap_or("")), str::to_owned);
    if host.is_empty() {
        "localhost".clone_into(&mut host);
    }
    Ok(Connection {
        address: format!("{host}:{port}"),
        insecure,
        certs_dir,
        user: words.last("user").map_or(user, str::to_owned),
        database: words.last("database").map_or(database, str::to_owned),
        connect_ms: env("KWBASE_CONNECT_TIMEOUT")
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or(15)
            .saturating_mul(1_000),
    })
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `postgresql://user@host:port/database?sslmode=disable`.
struct Url<'a> {
    user: &'a str,
    host: &'a str,
    database: &'a str,
    insecure: Option<bool>,
}

impl<'a> Url<'a> {
    fn of(text: &'a str) -> Result<Self, Failure> {
        let rest = text
            .strip_prefix("postgresql://")
            .or_else(|| text.strip_prefix("postgres://"))
            .ok_or_else(|| {
                Failure::plain(format!(
                    "invalid argument \"{text}\" for \"--url\" flag: unrecognized URL scheme"
                ))
            })?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = login.split(':').next().unwrap_or_default();
        let mode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="));
        Ok(Self { user, host, database, insecure: mode.map(|mode| mode == "disable") })
    }
}
