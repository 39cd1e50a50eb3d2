//! What was seen on a host that is to be added: the lines of `survey.sh`, read strictly. Pure.
//!
//! A line that is missing, doubled, unknown or out of form is an error with the line: a survey is never
//! half believed.

use std::{collections::BTreeMap, net::IpAddr};

use base64::Engine as _;
use bellows_proto::identity::{Identity, Role};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// The script. It changes nothing.
pub(super) const SCRIPT: &str = include_str!("survey.sh");
/// Its first and its last line. What a login's own files print before the first does not count.
const BEGIN: &str = "bellows-survey 1";
const END: &str = "end";
/// Lines that are there once each.
const KEYS: [&str; 26] = [
    "user",
    "sudo",
    "kernel",
    "machine",
    "os",
    "libc",
    "page_size",
    "machine_id",
    "clock_ms",
    "init",
    "systemd",
    "missing",
    "connected_to",
    "addresses",
    "tmp",
    "port_holder",
    "firewall",
    "selinux",
    "enrolment",
    "program",
    "config",
    "certificate",
    "agent",
    "unfinished",
    "disk /usr/bin",
    "disk /var/lib",
];
/// The same, for a folder that only tells whether it can be written.
const ETC: &str = "disk /etc";

/// Why a survey cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// It never began, or was cut off.
    #[error("the survey was cut off: {0}")]
    Cut(&'static str),
    /// A line that is not known, or came twice.
    #[error("the survey has a line that it must not have: {0:?}")]
    Extra(String),
    /// A line is missing.
    #[error("the survey says nothing of {0}")]
    Missing(&'static str),
    /// A value out of form.
    #[error("the survey's {key} cannot be read: {value:?}")]
    Value {
        /// Of which line.
        key: &'static str,
        /// What it says.
        value: String,
    },
}

/// How root is got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sudo {
    /// The login is root's.
    Root,
    /// `sudo -n` works.
    Works,
    /// There is no `sudo`.
    Missing,
    /// It does not work without a password; with its own words.
    Refused(String),
}

/// Whether the agent's port can be reached, as far as the host's own packet filter goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firewall {
    /// Nothing filters.
    None,
    /// This one filters, and lets the port through.
    Open(String),
    /// This one filters, and does not name the port.
    Closed(String),
    /// It takes root to know.
    Unknown,
}

/// Whether the host can open a connection to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Yes,
    /// It cannot; with the system's own words.
    No(String),
    /// The host has no tool to try it with.
    Unknown,
}

/// Room in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Free for root, or for everybody: whatever `df` calls available.
    pub free_bytes: u64,
    /// Mounted so that nothing can be written.
    pub read_only: bool,
    /// Mounted so that no program starts.
    pub no_exec: bool,
}

/// A program of the agent that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// SHA-256, lower-case hexadecimal; "unreadable".
    pub digest: String,
    /// The package that it belongs to, if any.
    pub package: Option<String>,
}

/// An agent's identity that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// None.
    Nobody,
    /// Whose it is.
    Agent(Identity),
    /// There is a file, but no agent's certificate in it; why.
    Unreadable(String),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Who logged in.
    pub user: String,
    /// How root is got.
    pub sudo: Sudo,
    /// "Linux 6.1.0".
    pub kernel: String,
    /// As `uname -m`.
    pub machine: String,
    /// From os-release; empty: it has none.
    pub os: String,
    /// "glibc 2.36"; empty: another library.
    pub libc: String,
    /// Bytes.
    pub page_size: u64,
    /// Empty: none.
    pub machine_id: String,
    /// The host's clock, milliseconds since 1970.
    pub clock_ms: i64,
    /// systemd is process 1.
    pub systemd_runs: bool,
    /// 0: there is none.
    pub systemd: u32,
    /// Tools that placing needs and that are not there.
    pub missing: Vec<String>,
    /// The host's address that the login came to.
    pub connected_to: Option<IpAddr>,
    /// All addresses of the host but loopback and link-local ones.
    pub addresses: Vec<IpAddr>,
    /// Where the program goes.
    pub usr_bin: Room,
    /// Where configuration goes.
    pub etc: Room,
    /// Where the agent keeps its records.
    pub var_lib: Room,
    /// `/tmp` is mounted so that no program starts there.
    pub tmp_no_exec: bool,
    /// Who listens at the agent's port; empty: nobody.
    pub port_holder: String,
    /// The packet filter.
    pub firewall: Firewall,
    /// "Enforcing", "Permissive", "Disabled"; empty: there is no SELinux.
    pub selinux: String,
    /// Whether the enrolment address is reached.
    pub enrolment: Reach,
    /// A program that is there already.
    pub program: Option<Program>,
    /// The host's name in an `agent.toml` that is there already; empty: it names none.
    pub config: Option<String>,
    /// An identity that is there already.
    pub holder: Holder,
    /// The agent's unit is active.
    pub agent_runs: bool,
    /// The host name of a run of ours that did not come to its end.
    pub unfinished: Option<String>,
}

/// Reads what the script printed.
///
/// # Errors
/// With the line that is wrong.
pub fn parse(output: &[u8]) -> Result<Survey, SurveyError> {
    let text = String::from_utf8_lossy(output);
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| *line != BEGIN);
    lines.next().ok_or(SurveyError::Cut("it has no beginning"))?;
    let mut values = Values::default();
    let mut ended = false;
    for line in lines {
        if ended {
            return Err(SurveyError::Extra(line.to_owned()));
        }
        if line == END {
            ended = true;
            continue;
        }
        values.take(line)?;
    }
    if !ended {
        return Err(SurveyError::Cut("it has no end"));
    }
    survey(&values)
}

/// The lines by their keys.
#[derive(Default)]
struct Values(BTreeMap<&'static str, String>);

impl Values {
    fn take(&mut self, line: &str) -> Result<(), SurveyError> {
        let extra = || SurveyError::Extra(line.chars().take(200).collect());
        let found = KEYS.into_iter().chain([ETC]).find_map(|key| {
            let rest = line.strip_prefix(key)?;
            (rest.is_empty() || rest.starts_with(' ')).then(|| (key, rest.trim().to_owned()))
        });
        let (key, value) = found.ok_or_else(extra)?;
        match self.0.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(extra()),
        }
    }

    fn text(&self, key: &'static str) -> Result<&str, SurveyError> {
        self.0.get(key).map(String::as_str).ok_or(SurveyError::Missing(key))
    }

    fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, SurveyError> {
        let value = self.text(key)?;
        read(value).ok_or_else(|| SurveyError::Value { key, value: value.to_owned() })
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, SurveyError> {
        self.read(key, |value| value.parse().ok())
    }
}

fn survey(values: &Values) -> Result<Survey, SurveyError> {
    let owned = |key| values.text(key).map(str::to_owned);
    Ok(Survey {
        user: owned("user")?,
        sudo: values.read("sudo", sudo)?,
        kernel: owned("kernel")?,
        machine: owned("machine")?,
        os: owned("os")?,
        libc: owned("libc")?,
        page_size: values.number("page_size")?,
        machine_id: owned("machine_id")?,
        clock_ms: values.number("clock_ms")?,
        systemd_runs: values.text("init")? == "systemd",
        systemd: values.number("systemd")?,
        missing: values.text("missing")?.split_whitespace().map(str::to_owned).collect(),
        connected_to: values.read("connected_to", optional_address)?,
        addresses: values.read("addresses", addresses)?,
        usr_bin: values.read("disk /usr/bin", room)?,
        etc: values.read(ETC, room)?,
        var_lib: values.read("disk /var/lib", room)?,
        tmp_no_exec: has(values.text("tmp")?, "noexec"),
        port_holder: owned("port_holder")?,
        firewall: values.read("firewall", firewall)?,
        selinux: owned("selinux")?,
        enrolment: values.read("enrolment", reach)?,
        program: values.read("program", program)?,
        config: values.read("config", config)?,
        holder: holder(values.text("certificate")?),
        agent_runs: values.text("agent")? == "active",
        unfinished: Some(owned("unfinished")?).filter(|name| !name.is_empty()),
    })
}

/// "WORD" or "WORD the rest".
fn word(value: &str) -> (&str, &str) {
    value.split_once(' ').unwrap_or((value, ""))
}

fn has(options: &str, option: &str) -> bool {
    options.split(',').any(|one| one == option)
}

fn sudo(value: &str) -> Option<Sudo> {
    match word(value) {
        ("root", "") => Some(Sudo::Root),
        ("yes", "") => Some(Sudo::Works),
        ("missing", "") => Some(Sudo::Missing),
        ("no", why) => Some(Sudo::Refused(why.to_owned())),
        _ => None,
    }
}

fn optional_address(value: &str) -> Option<Option<IpAddr>> {
    if value.is_empty() { Some(None) } else { value.parse().ok().map(Some) }
}

fn addresses(value: &str) -> Option<Vec<IpAddr>> {
    value.split_whitespace().map(|one| one.parse().ok()).collect()
}

fn room(value: &str) -> Option<Room> {
    let (free, options) = value.split_once(' ')?;
    let free: u64 = free.parse().ok()?;
    Some(Room {
        free_bytes: free.checked_mul(1024)?,
        read_only: has(options, "ro"),
        no_exec: has(options, "noexec"),
    })
}

fn firewall(value: &str) -> Option<Firewall> {
    match word(value) {
        ("none", "") => Some(Firewall::None),
        ("unknown", "") => Some(Firewall::Unknown),
        ("open", name) if !name.is_empty() => Some(Firewall::Open(name.to_owned())),
        ("closed", name) if !name.is_empty() => Some(Firewall::Closed(name.to_owned())),
        _ => None,
    }
}

fn reach(value: &str) -> Option<Reach> {
    match word(value) {
        ("yes", "") => Some(Reach::Yes),
        ("unknown", "") => Some(Reach::Unknown),
        ("no", why) => Some(Reach::No(why.to_owned())),
        _ => None,
    }
}

fn program(value: &str) -> Option<Option<Program>> {
    if value.is_empty() {
        return Some(None);
    }
    let (digest, package) = value.split_once(' ')?;
    let package = Some(package.to_owned()).filter(|name| name != "-");
    Some(Some(Program { digest: digest.to_owned(), package }))
}

fn config(value: &str) -> Option<Option<String>> {
    match word(value) {
        ("", "") => Some(None),
        ("there", name) => Some(Some(name.to_owned())),
        _ => None,
    }
}

fn holder(certificate: &str) -> Holder {
    if certificate.is_empty() {
        return Holder::Nobody;
    }
    let Ok(pem) = super::BASE64.decode(certificate) else {
        return Holder::Unreadable("it did not arrive whole".to_owned());
    };
    let read = CertificateDer::from_pem_slice(&pem).map_err(|error| error.to_string());
    let read = read.and_then(|der| Identity::from_certificate(&der).map_err(|e| e.to_string()));
    match read {
        Ok(identity) if identity.role == Role::Agent => Holder::Agent(identity),
        Ok(identity) => Holder::Unreadable(format!("it is for {}", identity.uri())),
        Err(why) => Holder::Unreadable(why),
    }
}

#[cfg(test)]
pub(crate) mod tests;
