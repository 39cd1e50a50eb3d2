//! A bookie's configuration, read: what it says of the host's own, what another bookie may take over, and what is not
//! understood. No value of a key that is not known here leaves this module.

use bellows_proto::v1::{BookkeeperSetting, Fault, FaultCode};
use camino::Utf8Path;

mod keys;
mod properties;

pub use properties::PropertiesError;

use crate::facilities::Local;

/// A configuration is not longer, bytes.
pub const LIMIT: u64 = 1024 * 1024;
/// Where the cluster's metadata are.
pub const METADATA: &str = "metadataServiceUri";

/// The configuration of a bookie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conf {
    properties: Vec<properties::Property>,
}

impl Conf {
    /// Reads it.
    ///
    /// # Errors
    /// If it is no properties file.
    pub fn read(bytes: &[u8]) -> Result<Self, PropertiesError> {
        Ok(Self { properties: properties::read(bytes)? })
    }

    /// The value of a key; of several the first, as BookKeeper takes it. An empty one is none.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.properties.iter().find(|property| property.key == key)?;
        Some(found.value.as_str()).filter(|value| !value.is_empty())
    }

    /// A list, its parts separated by commas.
    pub fn list(&self, key: &str) -> Vec<String> {
        let all = self.properties.iter().filter(|property| property.key == key);
        let parts = all.flat_map(|property| property.value.split(','));
        parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A port; `None`: it is not set.
    ///
    /// # Errors
    /// A sentence, if it is set to something else.
    pub fn port(&self, key: &str) -> Result<Option<u16>, String> {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse() {
            Ok(port) if port != 0 => Ok(Some(port)),
            Ok(_) | Err(_) => Err(format!("its {key} is {text:?}, which is no port")),
        }
    }

    /// What other bookies may take over, in order of keys. Where its metadata are is always there, if it says so at all.
    pub fn settings(&self) -> Vec<BookkeeperSetting> {
        let mut found: Vec<BookkeeperSetting> = Vec::new();
        for property in &self.properties {
            let (key, value) = (property.key.as_str(), property.value.as_str());
            let known = found.iter().any(|setting| setting.key == key);
            if !known && keys::form(key).is_some_and(|form| form.fits(value)) {
                found.push(setting(key, value));
            }
        }
        if self.get(METADATA).is_none()
            && let Some(uri) = self.uri_of_old()
        {
            found.push(setting(METADATA, &uri));
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }

    /// Of `zkServers` and its like, as BookKeeper makes it.
    fn uri_of_old(&self) -> Option<String> {
        let servers = self.list("zkServers").join(";");
        let root = self.get("zkLedgersRootPath").unwrap_or("/ledgers");
        let factory = self.get("ledgerManagerFactoryClass").unwrap_or_default();
        let kind = match factory.rsplit('.').next().unwrap_or_default() {
            "FlatLedgerManagerFactory" => "flat",
            "HierarchicalLedgerManagerFactory" => "hierarchical",
            "LongHierarchicalLedgerManagerFactory" => "longhierarchical",
            // As the metadata say.
            _ => "null",
        };
        let uri = format!("zk+{kind}://{servers}{root}");
        (!servers.is_empty() && keys::Form::Uri.fits(&uri)).then_some(uri)
    }

    /// Keys that are set, and are neither for others nor the host's own; each once, in order. Without their values.
    pub fn other_keys(&self) -> Vec<String> {
        let all = self.properties.iter().filter(|property| !property.value.is_empty());
        let other = all.filter(|property| match keys::form(&property.key) {
            Some(form) => !form.fits(&property.value),
            None => !keys::is_own(&property.key),
        });
        let mut other: Vec<String> = other.map(|property| shown(&property.key)).collect();
        other.sort();
        other.dedup();
        other
    }

    /// Why it cannot be told what it says, a sentence each: of the keys that matter here alone.
    pub fn troubles(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut say = |sentence: String| {
            if !found.contains(&sentence) {
                found.push(sentence);
            }
        };
        for property in &self.properties {
            let key = property.key.as_str();
            if key.eq_ignore_ascii_case("include") {
                say("its configuration includes another file, which is not read here".to_owned());
            }
            let matters = keys::is_own(key) || keys::form(key).is_some();
            if matters && property.value.contains("${") {
                say(format!("its {key} has a ${{...}}, which is not expanded here"));
            }
            let others = self.properties.iter().filter(|other| other.key == key);
            if matters
                && others.clone().count() > 1
                && others.clone().any(|other| other.value != property.value)
            {
                say(format!("its {key} is set twice, to different values"));
            }
        }
        found
    }
}

fn setting(key: &str, value: &str) -> BookkeeperSetting {
    BookkeeperSetting { key: key.to_owned(), value: value.to_owned() }
}

/// A key may be anything.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Refuses what a bookie may not take over from another one, or what is not of the key's form.
///
/// # Errors
/// `INVALID`, naming the key.
pub fn check(key: &str, value: &str) -> Result<(), Fault> {
    let Some(form) = keys::form(key) else {
        let key = shown(key);
        return Err(Fault::new(
            FaultCode::Invalid,
            format!("{key:?} is no setting that a bookie takes over from another one"),
        ));
    };
    if form.fits(value) {
        return Ok(());
    }
    Err(Fault::new(
        FaultCode::Invalid,
        format!("{key} is not {}: {:?}", form.words(), value.chars().take(120).collect::<String>()),
    ))
}

/// Reads the configuration at a path that the administrator or the agent alone can write; `None`: it is not there.
///
/// # Errors
/// If it cannot be read.
pub fn load(local: &Local, path: &Utf8Path) -> Result<Option<Conf>, Fault> {
    let Some(bytes) = local.host.read(path, LIMIT)? else { return Ok(None) };
    let conf = Conf::read(&bytes);
    conf.map(Some).map_err(|error| {
        Fault::new(FaultCode::Unreadable, format!("{path} cannot be read: {error}"))
            .remedy("mend it; the bookie reads it as well")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The stock configuration with odd things in it.
    const TEXT: &str = "\
# Bookies
bookiePort=3181
journalDirectories=/data/j1, /data/j2
ledgerDirectories=/data/l1
zkServers=10.0.0.1:2181,10.0.0.2:2181
zkTimeout=30000
diskUsageThreshold=0.95
journalSyncData=yes
tlsKeyStorePasswordPath=/etc/bk/pw
clientPassword = s3cret
autoRecoveryDaemonEnabled=true
zkLedgersRootPath=/ledgers
ledgerStorageClass=
";

    #[test]
    fn only_known_keys_with_fitting_values_are_for_others() {
        let conf = Conf::read(TEXT.as_bytes()).unwrap();
        let settings = conf.settings();
        let lines: Vec<String> =
            settings.iter().map(|s| format!("{}={}", s.key, s.value)).collect();
        assert_eq!(
            lines,
            [
                "autoRecoveryDaemonEnabled=true",
                "diskUsageThreshold=0.95",
                "metadataServiceUri=zk+null://10.0.0.1:2181;10.0.0.2:2181/ledgers",
                "zkTimeout=30000",
            ]
        );
        assert_eq!(
            conf.other_keys(),
            ["clientPassword", "journalSyncData", "tlsKeyStorePasswordPath"]
        );
        assert_eq!(conf.list("journalDirectories"), ["/data/j1", "/data/j2"]);
        assert_eq!(
            (conf.port("bookiePort"), conf.port("httpServerPort")),
            (Ok(Some(3181)), Ok(None))
        );
        assert_eq!(conf.get("ledgerStorageClass"), None);
        assert!(conf.is_on("autoRecoveryDaemonEnabled") && !conf.is_on("allowLoopback"));
        assert_eq!(conf.troubles(), Vec::<String>::new());
        for setting in settings {
            check(&setting.key, &setting.value).unwrap();
        }
    }

    #[test]
    fn what_is_not_plain_is_told() {
        let text =
            "bookiePort=1\nbookiePort=2\ninclude=x\nzkTimeout=${t}\nother=${t}\nhttpServerPort=0\n";
        let conf = Conf::read(text.as_bytes()).unwrap();
        assert_eq!(
            conf.troubles(),
            [
                "its bookiePort is set twice, to different values",
                "its configuration includes another file, which is not read here",
                "its zkTimeout has a ${...}, which is not expanded here",
            ]
        );
        assert!(conf.port("httpServerPort").is_err());
    }

    #[test]
    fn a_host_s_own_keys_and_unknown_ones_are_refused() {
        for (key, value) in [
            ("bookieId", "10.0.0.1:3181"),
            ("journalDirectories", "/x"),
            ("passwd", "x"),
            ("zkTimeout", "1\nbookieId=2"),
            ("metadataServiceUri", "zk://user:pw@h:1/l"),
        ] {
            assert!(check(key, value).is_err(), "{key}");
        }
    }
}
