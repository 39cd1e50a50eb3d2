//! Where clients are told that bookies stand: the JSON in `/bookies` of the ZooKeeper that has the metadata, where the clients of
//! Pulsar look (`BookieRackAffinityMapping`). Words for `org.apache.zookeeper.ZooKeeperMain`, which is among BookKeeper's own jars,
//! and what it says.
//!
//! Traps, each seen on ZooKeeper 3.9.3 or read in `bin/bookkeeper`: the script hands its words on without quotes, so that none may have
//! a space or a pattern in it; `set -v` with another version has status 1 and `version No is not valid`; what the
//! session does is printed between the lines of an answer.
//!
//! Must not know plans, claims or files.

use std::{collections::BTreeMap, fmt};

use bellows_proto::names::natural;
use serde_json::{Map, Value};

use super::bookkeeper_shell::BookieId;

/// The class that the script runs.
const MAIN: &str = "org.apache.zookeeper.ZooKeeperMain";
/// Where clients look, below the root of the cluster.
const NODE: &str = "/bookies";
/// What Pulsar calls having no isolation group.
const NO_GROUP: &str = "default";
/// One argument of a program is not longer; bytes, well below what Linux allows.
const LONGEST: usize = 100_000;

/// The ZooKeeper of a cluster, as a client connects to it: servers, and the root below which the cluster lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeper(String);

impl ZooKeeper {
    /// Of a `metadataServiceUri`: `zk+KIND://HOST:PORT;HOST:PORT/ROOT/ledgers`, or Pulsar's `metadata-store:zk:HOST:PORT,HOST:PORT/ROOT`.
    ///
    /// # Errors
    /// A sentence, if it is another metadata service.
    pub fn of(uri: &str) -> Result<Self, String> {
        let odd = || format!("{uri:?} is no ZooKeeper");
        let (rest, has_ledgers) = match uri.strip_prefix("metadata-store:") {
            Some(rest) => (rest.strip_prefix("zk:").unwrap_or(rest), false),
            None => {
                let (scheme, rest) = uri.split_once("://").ok_or_else(odd)?;
                if scheme != "zk" && !scheme.starts_with("zk+") {
                    return Err(odd());
                }
                (rest, true)
            }
        };
        let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
        let servers = servers.replace(';', ",");
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:,[]".contains(c);
        if servers.is_empty() || !servers.chars().all(plain) {
            return Err(odd());
        }
        let path = path.trim_end_matches('/');
        // Pulsar's names the root; the other kind names the ledgers below it.
        let root = match (has_ledgers, path.rsplit_once('/')) {
            (true, Some((root, _))) => root,
            (true, None) => "",
            (false, _) => path,
        };
        let quiet = |c: char| c.is_ascii_alphanumeric() || ".-_/".contains(c);
        if !root.chars().all(quiet) {
            return Err(odd());
        }
        let root = if root.is_empty() { String::new() } else { format!("/{root}") };
        Ok(Self(format!("{servers}{root}")))
    }

    fn words(&self, command: &[&str]) -> Vec<String> {
        let before = [MAIN, "-server", &self.0];
        before.iter().chain(command).map(|word| (*word).to_owned()).collect()
    }

    /// Prints what clients are told.
    pub fn get(&self) -> Vec<String> {
        self.words(&["get", "-s", NODE])
    }

    /// Stores it where there is nothing yet, or where nobody has stored anything since it was read.
    pub fn store(&self, since: Option<u32>, places: &Places) -> Result<Vec<String>, String> {
        let text = places.text()?;
        Ok(match since {
            None => self.words(&["create", NODE, &text]),
            Some(version) => self.words(&["set", "-v", &version.to_string(), NODE, &text]),
        })
    }
}

/// Where a bookie stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// "/rack1"
    pub rack: String,
    /// Empty: none.
    pub group: String,
}

/// What clients are told: isolation groups with their bookies. Whatever else is there is kept as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Places(Map<String, Value>);

impl Places {
    /// Of each bookie, in natural order. Of one in several groups the first counts, as Pulsar takes it.
    pub fn all(&self) -> Vec<(String, Place)> {
        let mut found: BTreeMap<&str, Place> = BTreeMap::new();
        for (group, bookies) in &self.0 {
            for (bookie, info) in bookies.as_object().into_iter().flatten() {
                let rack = info.get("rack").and_then(Value::as_str).unwrap_or_default().to_owned();
                let group = if group == NO_GROUP { String::new() } else { group.clone() };
                found.entry(bookie).or_insert(Place { rack, group });
            }
        }
        let mut all: Vec<(String, Place)> =
            found.into_iter().map(|(bookie, place)| (bookie.to_owned(), place)).collect();
        all.sort_by(|a, b| natural(&a.0, &b.0));
        all
    }

    /// Where one bookie stands.
    pub fn of(&self, bookie: &BookieId) -> Option<Place> {
        let bookie = bookie.to_string();
        self.all().into_iter().find(|(id, _)| *id == bookie).map(|(_, place)| place)
    }

    /// Says it of one bookie; `None`: nothing any more. What is said of others stays, and what else is said of it.
    pub fn set(&mut self, bookie: &BookieId, place: Option<&Place>) {
        let id = bookie.to_string();
        let mut kept = None;
        for bookies in self.0.values_mut().filter_map(Value::as_object_mut) {
            kept = bookies.remove(&id).or(kept);
        }
        self.0.retain(|_, bookies| bookies.as_object().is_none_or(|bookies| !bookies.is_empty()));
        let Some(place) = place else { return };
        let mut info = match kept {
            Some(Value::Object(info)) => info,
            Some(_) | None => Map::new(),
        };
        info.insert("rack".to_owned(), Value::String(place.rack.clone()));
        let group = if place.group.is_empty() { NO_GROUP } else { &place.group };
        let bookies = self.0.entry(group).or_insert_with(|| Value::Object(Map::new()));
        if let Some(bookies) = bookies.as_object_mut() {
            bookies.insert(id, Value::Object(info));
        }
    }

    /// As one word for the script.
    fn text(&self) -> Result<String, String> {
        let text = Value::Object(self.0.clone()).to_string();
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"*?[]\\".contains(&byte);
        if !text.bytes().all(plain) {
            return Err("what is told of other bookies has a character that the script of bookkeeper would take apart: use `pulsar-admin bookies`".to_owned());
        }
        if text.len() > LONGEST {
            return Err(format!(
                "it would be {} bytes, more than one argument of a program may have: use `pulsar-admin bookies`",
                text.len()
            ));
        }
        Ok(text)
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What clients are told.
    pub places: Places,
    /// ZooKeeper's `dataVersion`; `None`: there is nothing yet.
    pub version: Option<u32>,
}

/// Why an answer of `get` is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It did not do it.
    Failed,
    /// A sentence.
    Unreadable(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("it failed"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

/// What `get -s` said.
///
/// # Errors
/// What was wrong with it: nothing is concluded from that.
pub fn parse_get(status: Option<i32>, stdout: &[u8], stderr: &[u8]) -> Result<Stored, Trouble> {
    let odd = |why: &str| Trouble::Unreadable(why.to_owned());
    let text = std::str::from_utf8(stdout).map_err(|_| odd("it is no UTF-8"))?;
    if status != Some(0) {
        let says_none = |text: &str| {
            text.lines().any(|line| line.trim() == format!("Node does not exist: {NODE}"))
        };
        return match status {
            Some(_) if says_none(text) || says_none(&String::from_utf8_lossy(stderr)) => {
                Ok(Stored { places: Places::default(), version: None })
            }
            Some(_) | None => Err(Trouble::Failed),
        };
    }
    let lines = || text.lines().filter(|line| !is_noise(line));
    let data: Vec<&str> = lines().take_while(|line| !line.starts_with("cZxid = ")).collect();
    let version = lines().find_map(|line| line.strip_prefix("dataVersion = "));
    let version = version.and_then(|version| version.trim().parse().ok());
    let version = version.ok_or_else(|| odd("there is no dataVersion"))?;
    let data = data.join("\n");
    let places = match data.trim() {
        // Nothing at all.
        "" | "null" => Map::new(),
        data => match serde_json::from_str(data) {
            Ok(Value::Object(places)) => places,
            Ok(_) | Err(_) => return Err(odd("it is no JSON object")),
        },
    };
    let groups = places.values().all(|bookies| {
        bookies.as_object().is_some_and(|bookies| bookies.values().all(Value::is_object))
    });
    if !groups {
        return Err(odd("it is not groups of bookies"));
    }
    Ok(Stored { places: Places(places), version: Some(version) })
}

/// What the client says of its session, and what is logged.
fn is_noise(line: &str) -> bool {
    let levels = ["INFO|", "WARN|", "ERROR|", "DEBUG|"];
    line.trim().is_empty()
        || line == "WATCHER::"
        || line.starts_with("WatchedEvent state:")
        || line.starts_with("Connecting to ")
        || line.starts_with("JAVA_HOME not set")
        || levels.iter().any(|level| line.starts_with(level))
}

/// Somebody else has stored something since it was read.
pub fn is_conflict(stdout: &[u8], stderr: &[u8]) -> bool {
    [stdout, stderr].iter().any(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().any(|line| {
            line.starts_with("version No is not valid") || line.starts_with("Node already exists: ")
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// Of ZooKeeper 3.9.3.
    const SAID: &str = "Connecting to 127.0.0.1:44000\n\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null zxid: -1\n\
        {\"default\":{\"10.0.0.4:3181\":{\"rack\":\"/r1\",\"hostname\":null}}}\ncZxid = 0x3\nctime = Sun Nov 22 15:00:43 UTC 2026\nmZxid = 0x3\n\
        mtime = Sun Nov 22 15:00:43 UTC 2026\npZxid = 0x3\ncversion = 0\ndataVersion = 7\naclVersion = 0\nephemeralOwner = 0x0\ndataLength = 60\nnumChildren = 0\n";

    fn id(text: &str) -> BookieId {
        BookieId::new(text).unwrap()
    }

    fn place(rack: &str, group: &str) -> Place {
        Place { rack: rack.into(), group: group.into() }
    }

    #[test]
    fn where_zookeeper_is() {
        for (uri, server) in [
            ("zk+hierarchical://10.0.0.1:2181/ledgers", "10.0.0.1:2181"),
            (
                "zk+null://10.0.0.1:2181;10.0.0.2:2181/pulsar/ledgers",
                "10.0.0.1:2181,10.0.0.2:2181/pulsar",
            ),
            ("zk://h1:2181/a/b/ledgers/", "h1:2181/a/b"),
            (
                "metadata-store:zk:10.0.0.1:2181,10.0.0.2:2181/pulsar",
                "10.0.0.1:2181,10.0.0.2:2181/pulsar",
            ),
            ("metadata-store:zk:10.0.0.1:2181", "10.0.0.1:2181"),
        ] {
            let zookeeper = ZooKeeper::of(uri).unwrap();
            assert_eq!(
                zookeeper.get().join(" "),
                format!("org.apache.zookeeper.ZooKeeperMain -server {server} get -s /bookies")
            );
        }
        for bad in [
            "",
            "etcd://h:2379/ledgers",
            "zk://h:1 -r/ledgers",
            "zk:///ledgers",
            "zk://h:1/a b/ledgers",
        ] {
            assert!(ZooKeeper::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_others_have_stays() {
        let mut stored = parse_get(Some(0), SAID.as_bytes(), b"").unwrap();
        assert_eq!(stored.version, Some(7));
        assert_eq!(stored.places.of(&id("10.0.0.4:3181")), Some(place("/r1", "")));
        stored.places.set(&id("10.0.0.5:3181"), Some(&place("/r2", "g1")));
        let zookeeper = ZooKeeper::of("zk://h:1/ledgers").unwrap();
        let words = zookeeper.store(stored.version, &stored.places).unwrap();
        assert_eq!(
            words.get(3..).unwrap().join(" "),
            r#"set -v 7 /bookies {"default":{"10.0.0.4:3181":{"hostname":null,"rack":"/r1"}},"g1":{"10.0.0.5:3181":{"rack":"/r2"}}}"#
        );
        // Into another group, with what else was said of it; out again.
        stored.places.set(&id("10.0.0.4:3181"), Some(&place("/r3", "g1")));
        let text = stored.places.text().unwrap();
        assert_eq!(
            text,
            r#"{"g1":{"10.0.0.4:3181":{"hostname":null,"rack":"/r3"},"10.0.0.5:3181":{"rack":"/r2"}}}"#
        );
        stored.places.set(&id("10.0.0.5:3181"), None);
        stored.places.set(&id("10.0.0.4:3181"), None);
        stored.places.set(&id("10.0.0.9:3181"), None);
        assert_eq!(stored.places, Places::default());
        assert_eq!(
            zookeeper.store(None, &stored.places).unwrap().get(3..).unwrap().join(" "),
            "create /bookies {}"
        );
    }

    #[test]
    fn no_answer_is_no_answer() {
        let none = Stored { places: Places::default(), version: None };
        let said = b"WATCHER::\nNode does not exist: /bookies\n";
        assert_eq!(parse_get(Some(1), b"", said), Ok(none.clone()));
        assert_eq!(parse_get(Some(1), said, b""), Ok(none));
        let empty = "null\ncZxid = 0x3\ndataVersion = 0\n";
        assert_eq!(parse_get(Some(0), empty.as_bytes(), b"").unwrap().version, Some(0));
        for (status, said) in [
            (Some(1), "KeeperErrorCode = ConnectionLoss for /bookies"),
            (Some(0), ""),
            (Some(0), "{\"a\":{}}\n"),
            (Some(0), "[]\ncZxid = 0x3\ndataVersion = 0\n"),
            (Some(0), "{\"a\":1}\ncZxid = 0x3\ndataVersion = 0\n"),
            (Some(0), "{\"a\":{\"b\":\ncZxid = 0x3\ndataVersion = 0\n"),
            (None, SAID),
        ] {
            assert!(parse_get(status, said.as_bytes(), b"").is_err(), "{said}");
        }
        assert!(is_conflict(b"", b"version No is not valid : /bookies\n"));
        assert!(is_conflict(b"Node already exists: /bookies\n", b""));
        assert!(!is_conflict(SAID.as_bytes(), b""));
    }

    #[test]
    fn the_script_takes_no_word_apart() {
        for name in ["a b", "a*", "a?", "[a]", "a\\u0041b", "ä"] {
            let said = format!(
                "{{\"g\":{{\"10.0.0.4:3181\":{{\"hostname\":\"{name}\"}}}}}}\ncZxid = 0\ndataVersion = 0\n"
            );
            let stored = parse_get(Some(0), said.as_bytes(), b"").unwrap();
            let taken = stored.places.text();
            assert!(taken.is_err() || name == "a\\u0041b", "{taken:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_prints_is_survived(status in proptest::option::of(any::<i32>()), out in any::<Vec<u8>>(), text in ".{0,200}") {
            for said in [out.as_slice(), text.as_bytes()] {
                if let Ok(stored) = parse_get(status, said, said) {
                    let _ = stored.places.all();
                }
                let _ = is_conflict(said, said);
                let _ = ZooKeeper::of(&text);
            }
        }

        #[test]
        fn what_is_set_is_there(port in 1u16.., rack in "/[a-z]{1,5}", group in "[a-z]{0,3}") {
            let mut stored = parse_get(Some(0), SAID.as_bytes(), b"").unwrap();
            let (bookie, wanted) = (id(&format!("10.0.0.9:{port}")), place(&rack, &group));
            stored.places.set(&bookie, Some(&wanted));
            prop_assert_eq!(stored.places.of(&bookie), Some(wanted));
            prop_assert_eq!(stored.places.of(&id("10.0.0.4:3181")), Some(place("/r1", "")));
        }
    }
}
