//! A bookie's configuration, as BookKeeper reads it: `key=value`, a line each.

use std::{collections::BTreeMap, net::Ipv4Addr};

use camino::{Utf8Path, Utf8PathBuf};

use super::super::machine::Machine;

/// What of it matters here.
#[derive(Debug, Clone)]
pub(super) struct Conf {
    keys: BTreeMap<String, String>,
}

impl Conf {
    /// As it lies on a host; `None`: it does not.
    pub fn read(machine: &Machine, path: &Utf8Path) -> Option<Self> {
        let bytes = machine.disk(|disk| disk.bytes(path).map(<[u8]>::to_vec))?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let trimmed = |(key, value): (&str, &str)| (key.trim().to_owned(), value.trim().to_owned());
        Self { keys: pairs.map(trimmed).collect() }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    fn is(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    fn port_of(&self, key: &str, default: u16) -> u16 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    fn paths(&self, key: &str) -> Vec<Utf8PathBuf> {
        let listed = self.text(key).unwrap_or_default();
        listed.split(',').filter(|path| !path.is_empty()).map(Utf8PathBuf::from).collect()
    }

    pub fn metadata(&self) -> &str {
        self.text("metadataServiceUri").unwrap_or_default()
    }

    pub fn address(&self, of: &Machine) -> Ipv4Addr {
        let given = self.text("advertisedAddress").and_then(|text| text.parse().ok());
        given.unwrap_or(of.address)
    }

    pub fn port(&self) -> u16 {
        self.port_of("bookiePort", 3181)
    }

    /// What it is called in the metadata.
    pub fn id(&self, of: &Machine) -> String {
        let own = self.text("bookieId").filter(|id| !id.is_empty()).map(str::to_owned);
        own.unwrap_or_else(|| format!("{}:{}", self.address(of), self.port()))
    }

    /// Where it listens for HTTP, if it does.
    pub fn http(&self) -> Option<(Ipv4Addr, u16)> {
        let host = self.text("httpServerHost").and_then(|text| text.parse().ok());
        self.is("httpServerEnabled")
            .then(|| (host.unwrap_or(Ipv4Addr::UNSPECIFIED), self.port_of("httpServerPort", 8080)))
    }

    pub fn journals(&self) -> Vec<Utf8PathBuf> {
        self.paths("journalDirectories")
    }

    pub fn ledgers(&self) -> Vec<Utf8PathBuf> {
        self.paths("ledgerDirectories")
    }

    pub fn indexes(&self) -> Vec<Utf8PathBuf> {
        self.paths("indexDirectories")
    }

    /// All of them, each once.
    pub fn directories(&self) -> Vec<Utf8PathBuf> {
        let mut all = self.journals();
        all.extend(self.ledgers());
        all.extend(self.indexes());
        all.sort();
        all.dedup();
        all
    }

    pub fn recovers(&self) -> bool {
        self.is("autoRecoveryDaemonEnabled")
    }

    /// What it is told to be survives a restart.
    pub fn persists(&self) -> bool {
        self.is("persistBookieStatusEnabled")
    }
}
