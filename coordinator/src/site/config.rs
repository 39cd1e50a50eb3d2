//! `site.toml`: what `bellows serve` listens on and where its data is.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bellows_proto::{
    audit::{KEEP_DEFAULT, KEEP_LEAST},
    names::{ClusterName, HostName, NodeName},
};

use crate::systems::postgresql::Front;

use super::{
    Init,
    reader::{Mistakes, Reader},
};

/// The kernel takes no longer path for a socket (`sun_path` with its closing zero byte).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// `segments` of the audit log is at most this: 40 GB.
const AUDIT_SEGMENTS_MOST: u32 = 10_000;

/// The configuration of `bellows serve`. Made by `bellows init`, edited by administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// For the eyes.
    pub site_name: String,
    /// UUID; stands in every certificate.
    pub site_id: String,
    /// Absolute. The store lives in it.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// HOST:PORT that agents reach the enrolment listener at, shown with each host token;
    /// `None`: as it listens.
    pub enrolment_address: Option<String>,
    /// So many segments of the audit log are kept, of about 4 MiB each.
    pub audit_segments: u32,
    /// Events of operations that ended so many days ago are taken out of the store; 0: never.
    pub keep_days: u32,
    /// A PostgreSQL cluster is changed only where its last good backup is at most so old; `None`: nobody
    /// asks for it.
    pub backup_max_age_hours: Option<u32>,
    /// What stands in front of PostgreSQL clusters.
    pub fronts: Vec<Front>,
}

/// `backup_max_age_hours` is at most this: a year.
const BACKUP_AGE_MOST: u32 = 8_784;

/// `keep_days` unless the file says otherwise: over a year.
const KEEP_DAYS_DEFAULT: u32 = 400;
/// At most this: about 100 years.
const KEEP_DAYS_MOST: u32 = 36_500;

/// Where `bellows serve` listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The API over mTLS, for command lines on other machines; `None`: not at all.
    pub api: Option<SocketAddr>,
    /// Enrolment of agents: TLS without a client certificate.
    pub enrolment: SocketAddr,
    /// The API for local administrators: a unix socket, absolute, mode 0600.
    pub socket: PathBuf,
}

impl Config {
    /// How old the last good backup may be, milliseconds.
    pub fn backup_max_age_ms(&self) -> Option<u64> {
        self.backup_max_age_hours.map(|hours| u64::from(hours) * 3_600_000)
    }

    /// Where the store is: for [`crate::store::Store::open`].
    pub fn store_dir(&self) -> PathBuf {
        self.data_dir.join("store")
    }

    /// Where the audit log is: for [`crate::audit::AuditLog::open`].
    pub fn audit_dir(&self) -> PathBuf {
        self.data_dir.join("audit")
    }

    /// Reads the text of a `site.toml`.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let config = Self::read(Reader::new(text, &mut mistakes));
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            Some(_) | None => Err(Mistakes(mistakes)),
        }
    }

    fn read(mut file: Reader<'_>) -> Option<Self> {
        let data_dir = absolute(&mut file, "data_dir");

        let mut site = file.section("site");
        let name = site.required::<String>("name");
        if let Some(Err(error)) = name.as_deref().map(str::parse::<HostName>) {
            site.mistake("name", error.to_string().replacen("host name", "the name", 1));
        }
        let id = site.required::<String>("id");
        if let Some(id) = &id
            && uuid::Uuid::try_parse(id).map(|uuid| uuid.to_string()) != Ok(id.clone())
        {
            site.mistake("id", format!("{id:?} is no UUID as `bellows init` writes it"));
        }
        site.finish();

        let mut listen = file.section("listen");
        let api = listen.optional::<SocketAddr>("api");
        let enrolment = listen.required::<SocketAddr>("enrolment");
        let socket = absolute(&mut listen, "socket");
        if let Some(path) = &socket
            && path.as_os_str().len() > MAX_SOCKET_PATH_BYTES
        {
            let text = format!("a socket's path has at most {MAX_SOCKET_PATH_BYTES} bytes");
            listen.mistake("socket", text);
        }
        listen.finish();

        let mut section = file.section("enrolment");
        let address = section.optional::<String>("address");
        if let Some(address) = &address
            && !is_host_port(address)
        {
            section.mistake("address", format!("{address:?} is not HOST:PORT"));
        }
        section.finish();

        let mut audit = file.section("audit");
        let segments = audit.optional::<u32>("segments").unwrap_or(KEEP_DEFAULT);
        if !(KEEP_LEAST..=AUDIT_SEGMENTS_MOST).contains(&segments) {
            let text = format!("{segments} is not from {KEEP_LEAST} to {AUDIT_SEGMENTS_MOST}");
            audit.mistake("segments", text);
        }
        audit.finish();

        let mut store = file.section("store");
        let keep_days = store.optional::<u32>("keep_days").unwrap_or(KEEP_DAYS_DEFAULT);
        if keep_days > KEEP_DAYS_MOST {
            store.mistake("keep_days", format!("{keep_days} is not from 0 to {KEEP_DAYS_MOST}"));
        }
        store.finish();

        let mut postgresql = file.section("postgresql");
        let backup_max_age_hours = postgresql.optional::<u32>("backup_max_age_hours");
        if let Some(hours) = backup_max_age_hours
            && !(1..=BACKUP_AGE_MOST).contains(&hours)
        {
            let text = format!("{hours} is not from 1 to {BACKUP_AGE_MOST}");
            postgresql.mistake("backup_max_age_hours", text);
        }
        let listed = postgresql.optional::<FrontsByCluster>("fronts").unwrap_or_default();
        let fronts = fronts(listed, &mut postgresql);
        postgresql.finish();
        file.finish();

        Some(Self {
            site_name: name?,
            site_id: id?,
            data_dir: data_dir?,
            listen: Listen { api, enrolment: enrolment?, socket: socket? },
            enrolment_address: address,
            audit_segments: segments,
            keep_days,
            backup_max_age_hours,
            fronts,
        })
    }

    pub(super) fn from_init(init: &Init, site_id: &str) -> Self {
        let within = |path: &Option<PathBuf>, name: &str| {
            path.clone().unwrap_or_else(|| init.directory.join(name))
        };
        Self {
            site_name: init.name.clone(),
            site_id: site_id.to_owned(),
            data_dir: within(&init.data_dir, "data"),
            listen: Listen {
                api: init.api,
                enrolment: init.enrolment,
                socket: within(&init.socket, "bellows.sock"),
            },
            enrolment_address: init.enrolment_address.clone(),
            audit_segments: KEEP_DEFAULT,
            keep_days: KEEP_DAYS_DEFAULT,
            backup_max_age_hours: None,
            fronts: Vec::new(),
        }
    }

    /// As a `site.toml`, with comments.
    pub(super) fn to_toml(&self) -> String {
        // A JSON string is a TOML string too.
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let path = |path: &Path| text(&path.to_string_lossy());
        let line = |key: &str, value: Option<String>, example: &str| match value {
            Some(value) => format!("{key} = {}\n", text(&value)),
            None => format!("# {key} = {example}\n"),
        };
        let Listen { api, enrolment, socket } = &self.listen;
        [
            "# Written by `bellows init`, read by `bellows serve`.\n\n".to_owned(),
            "# The store lives here.\n".to_owned(),
            format!("data_dir = {}\n\n[site]\n", path(&self.data_dir)),
            format!("name = {}\n", text(&self.site_name)),
            "# Stands in every certificate: never change it.\n".to_owned(),
            format!("id = {}\n\n[listen]\n", text(&self.site_id)),
            "# The API for command lines on other machines, over mTLS. Without it: local only.\n"
                .to_owned(),
            line("api", api.map(|api| api.to_string()), "\"0.0.0.0:7420\""),
            "# Where agents enrol with a token.\n".to_owned(),
            format!("enrolment = {}\n", text(&enrolment.to_string())),
            "# The API for root and the service's user on this machine.\n".to_owned(),
            format!("socket = {}\n\n[enrolment]\n", path(socket)),
            "# What agents reach the enrolment listener at; shown with each host token.\n"
                .to_owned(),
            line("address", self.enrolment_address.clone(), "\"coordinator.example:7421\""),
            "\n[audit]\n# So many segments of the audit log are kept, of 4 MiB each.\n".to_owned(),
            format!("segments = {}\n", self.audit_segments),
            "\n[store]\n# Events of operations that ended so many days ago are taken out; 0: never.\n"
                .to_owned(),
            format!("keep_days = {}\n", self.keep_days),
            "\n[postgresql]\n# A cluster is changed only where its last good backup is at most so old.\n"
                .to_owned(),
            match self.backup_max_age_hours {
                Some(hours) => format!("backup_max_age_hours = {hours}\n"),
                None => "# backup_max_age_hours = 26\n".to_owned(),
            },
            "# What stands in front of clusters: FRONT@HOST, as the agent of the host declares it.\n"
                .to_owned(),
            "# fronts = { orders = [\"pool@lb1\"] }\n".to_owned(),
        ]
        .concat()
    }
}

/// As they are written.
type FrontsByCluster = BTreeMap<String, Vec<String>>;

/// `CLUSTER = ["FRONT@HOST", ...]`, in the order of the clusters.
fn fronts(listed: FrontsByCluster, reader: &mut Reader<'_>) -> Vec<Front> {
    let mut fronts: Vec<Front> = Vec::new();
    for (cluster, texts) in listed {
        if let Err(error) = cluster.parse::<ClusterName>() {
            reader.mistake("fronts", error.to_string());
        }
        for text in texts {
            let parsed = text.split_once('@').and_then(|(name, host)| {
                let name: NodeName = name.parse().ok()?;
                let host: HostName = host.parse().ok()?;
                let cluster = cluster.clone();
                Some(Front { cluster, name: name.to_string(), host: host.to_string() })
            });
            match parsed {
                None => {
                    let text = format!("{text:?} is not FRONT@HOST, e.g. \"pool@lb1\"");
                    reader.mistake("fronts", text);
                }
                Some(front) if fronts.contains(&front) => {
                    reader.mistake("fronts", format!("{text} of {cluster} is listed twice"));
                }
                Some(front) => fronts.push(front),
            }
        }
    }
    fronts
}

fn absolute(reader: &mut Reader<'_>, key: &'static str) -> Option<PathBuf> {
    let path: PathBuf = reader.required(key)?;
    if !path.is_absolute() {
        reader.mistake(key, format!("{} is not an absolute path", path.display()));
    }
    Some(path)
}

fn is_host_port(text: &str) -> bool {
    text.parse::<http::uri::Authority>()
        .is_ok_and(|parsed| parsed.port_u16().is_some_and(|port| port != 0))
        && !text.contains('@')
}
