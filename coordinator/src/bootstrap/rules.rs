//! What must hold of a host before anything is put on it: numbered rules over a survey, each with its
//! reason. Pure: all that is wrong is told at once.

use std::net::IpAddr;

use bellows_proto::{
    names::HostName,
    v1::{Explanation, HostFinding, HostSummary},
};

use super::survey::{Firewall, Holder, Reach, Sudo, Survey};

/// The agent's port, as its default configuration has it.
pub const AGENT_PORT: u16 = 7401;
/// How the agent's process is called.
const PROGRAM: &str = "bellows-agent";
/// Transient units as the agent uses them are there from this version on.
pub(super) const SYSTEMD_FLOOR: u32 = 239;
/// The programs need no newer symbol.
const GLIBC_FLOOR: (u32, u32) = (2, 17);
/// The page size that the programs have run with.
const PAGE_SIZE: u64 = 4096;
/// Room for records, audit log and the output of jobs.
const RECORDS_BYTES: u64 = 256 << 20;
/// Room for configuration.
const CONFIG_BYTES: u64 = 1 << 20;
/// Guards of operations want clocks that are closer.
const CLOCK_ODD_MS: u64 = 2000;
/// Nobody keeps such a clock.
const CLOCK_LIMIT_MS: u64 = 300_000;

/// What a survey is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The name that the host shall have.
    pub host: &'a HostName,
    /// Where it shall be reached, as the administrator said; else the address that the login came to.
    pub address: Option<IpAddr>,
    /// The site's id, as in its certificates.
    pub site_id: &'a str,
    /// What the coordinator knows of a host of this name.
    pub known: Option<&'a HostSummary>,
    /// Length of the program for the host's architecture, and its digest; `None`: the bundle has none.
    pub agent: Option<(u64, &'a str)>,
    /// Architectures that the bundle has.
    pub architectures: &'a str,
    /// Our clock when the survey was asked for and when it was there.
    pub asked_ms: (i64, i64),
    /// Another name in this run that is the same machine.
    pub twin: Option<&'a str>,
}

/// A rule: how it is shown, and why it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// "HOST-01".
    pub code: &'static str,
    /// In a few words.
    pub name: &'static str,
    /// It stops the host from being added; else it is only told.
    pub refuses: bool,
    /// Why there is such a rule.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! rules {
    ($($id:ident = $code:literal, $name:literal, $refuses:literal, $why:literal, $remedy:literal;)*) => {
        $(const $id: Rule = Rule { code: $code, name: $name, refuses: $refuses, why: $why, remedy: $remedy };)*
        /// All rules, by number.
        pub const ALL: &[Rule] = &[$($id),*];
    };
}

rules! {
    ROOT = "HOST-01", "root is needed", true,
        "The agent is installed and run as root: it starts units and runs tools as the users of the databases.",
        "log in as root, or give the user sudo without a password (NOPASSWD), at least for this run";
    ARCHITECTURE = "HOST-02", "no agent for this machine", true,
        "The agent is a program for Linux on one architecture; the coordinator's bundle must have the one of the host.",
        "install the bundle of that architecture on the coordinator's host, or name its folder with --bundle";
    LIBRARY = "HOST-03", "C library", true,
        "The programs are made for the GNU C library 2.17 and later.",
        "use a host with glibc 2.17 or later";
    SYSTEMD = "HOST-04", "systemd", true,
        "The agent is a service of systemd, which starts it at boot and anew when it ends.",
        "use a host with systemd; without it the agent is installed by hand, see Hosts without systemd in the docs";
    TOOLS = "HOST-05", "tools of the base system", true,
        "The agent is put in its place with a few tools of the base system.",
        "install coreutils, grep, sed and systemd";
    ROOM = "HOST-06", "room", true,
        "The program, its configuration and its records must have room; an agent without room for a record refuses every job.",
        "make room, or mount the file system writable";
    EXECUTE = "HOST-07", "programs cannot start", true,
        "The agent runs from /usr/bin.",
        "mount it without noexec";
    CLOCK = "HOST-08", "the clock is off", true,
        "A clock that is minutes off is kept by nobody: certificates are not valid for it, and the times of two hosts cannot be compared.",
        "set the clock, best with chrony or ntpd, then run it again";
    CLOCK_ODD = "HOST-09", "the clock differs", false,
        "Operations are refused while the clocks of hosts and coordinator differ by more than 2 s.",
        "let chrony or ntpd run on both";
    PORT = "HOST-10", "the agent's port is taken", true,
        "The coordinator reaches the agent at port 7401.",
        "stop what listens there, or move it to another port";
    FIREWALL = "HOST-11", "the packet filter", false,
        "The coordinator dials the agent: the host must let it in. The filter is on and does not name the port; a rule that this look does not understand may still let it in.",
        "let TCP port 7401 in from the coordinator's address, e.g. firewall-cmd --permanent --add-port=7401/tcp, then --reload";
    SELINUX = "HOST-12", "SELinux enforces", false,
        "The agent runs in the domain that the policy gives to services that it does not know; a stricter policy may deny it something.",
        "nothing, unless the audit log of the host shows denials of bellows-agent";
    TEMPORARY = "HOST-13", "/tmp starts no programs", false,
        "The agent does not use it, but tools that it wraps may unpack programs there and fail.",
        "nothing for Bellows itself; see the tool's own settings (java.io.tmpdir, TMPDIR)";
    REACH = "HOST-14", "the host does not reach the coordinator", true,
        "The agent gets its certificate from the coordinator's enrolment address.",
        "open the way from the host to the enrolment address (TCP), and see that bellows serve listens there";
    FOREIGN = "HOST-15", "an agent of somebody else is here", true,
        "A machine has one agent, of one site and with one name; what another site relies on is not taken from it.",
        "remove it there first (bellows host remove at its own site), then its identity folder /var/lib/bellows-agent/identity";
    PROGRAM_THERE = "HOST-16", "files are in the way", true,
        "What Bellows did not put there it does not write over.",
        "bring the host's own copy to the coordinator's version, or move it away";
    ADDRESS = "HOST-17", "the host's address", true,
        "The coordinator dials the address in agent.toml, and so do the members of a cluster among each other: it must be one of the host's own.",
        "say which one: --address ADDRESS, or as third word of the line in --file";
    NAME_TAKEN = "HOST-18", "the name is another machine's", true,
        "A host of this name is enrolled and was seen, and this machine has no identity of it: a new enrolment would lock the other one out.",
        "choose another name, or if that machine is gone or was set up anew: bellows host remove HOST, then run it again";
    TWIN = "HOST-19", "one machine under two names", true,
        "Two names lead to one machine: same machine id. A cluster would believe it had two members.",
        "correct the addresses; clones of a VM need a machine id of their own (systemd-machine-id-setup)";
    PAGES = "HOST-20", "page size", false,
        "The programs have run with pages of 4 KiB only.",
        "try a host of this kind without data first";
    UNFINISHED = "HOST-21", "an unfinished run for another name", true,
        "An earlier run put the agent here under another name and did not come to its end.",
        "finish it with the same name, or clear it up as the docs say";
    OLD_SYSTEMD = "HOST-22", "an old systemd", false,
        "Below 239 systemd has no transient units as the agent needs them: jobs and services are processes of their own there, which do not start at boot and have no cgroup of their own.",
        "nothing, if that will do; see Hosts without systemd in the docs. Nobody has tried it on a real one yet: try such a host without data first";
}

/// Everything that is to be said of a host. Empty: nothing is wrong.
pub fn judge(survey: &Survey, ground: &Ground<'_>) -> Vec<HostFinding> {
    [
        root(survey),
        architecture(survey, ground),
        library(survey),
        systemd(survey),
        is_old(survey).then(|| seen(OLD_SYSTEMD, format!("systemd {}", survey.systemd))),
        tools(survey),
        room(survey, ground),
        execute(survey),
        clock(survey, ground),
        port(survey),
        firewall(survey),
        selinux(survey),
        (survey.tmp_no_exec).then(|| seen(TEMPORARY, "/tmp is mounted noexec")),
        reach(survey),
        foreign(survey, ground),
        in_the_way(survey, ground),
        address(survey, ground),
        name_taken(survey, ground),
        ground.twin.map(|twin| seen(TWIN, format!("{twin} is the machine {}", survey.machine_id))),
        (survey.page_size != PAGE_SIZE).then(|| seen(PAGES, format!("{} bytes", survey.page_size))),
        unfinished(survey, ground),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rules as `bellows explain` tells them.
pub fn explanations() -> Vec<Explanation> {
    ALL.iter()
        .map(|rule| Explanation {
            code: rule.code.to_owned(),
            name: rule.name.to_owned(),
            text: rule.why.to_owned(),
            remedy: rule.remedy.to_owned(),
        })
        .collect()
}

/// What is to be done with a host against which no rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Nothing: its agent is connected.
    ThereAlready,
    /// It has its identity; its agent is to be started.
    Start,
    /// The agent is to be put there.
    Place,
}

/// What is to be done.
pub fn course(survey: &Survey, ground: &Ground<'_>) -> Course {
    let Some(known) = ground.known.filter(|_| is_ours(survey, ground)) else {
        return Course::Place;
    };
    let connected = known.state == "connected";
    if connected && survey.agent_runs && survey.unfinished.is_none() {
        return Course::ThereAlready;
    }
    Course::Start
}

/// The address that `agent.toml` gets. `None`: a rule stands against it.
pub fn address_of(survey: &Survey, given: Option<IpAddr>) -> Option<IpAddr> {
    given.or(survey.connected_to).filter(|address| survey.addresses.contains(address))
}

fn seen(rule: Rule, seen: impl Into<String>) -> HostFinding {
    HostFinding {
        code: rule.code.to_owned(),
        name: rule.name.to_owned(),
        seen: seen.into(),
        remedy: rule.remedy.to_owned(),
        refuses: rule.refuses,
    }
}

fn root(survey: &Survey) -> Option<HostFinding> {
    let user = &survey.user;
    match &survey.sudo {
        Sudo::Root | Sudo::Works => None,
        Sudo::Missing => Some(seen(ROOT, format!("{user} is not root, and there is no sudo"))),
        Sudo::Refused(why) => Some(seen(ROOT, format!("sudo refuses {user}: {why}"))),
    }
}

fn architecture(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    let (kernel, machine) = (&survey.kernel, &survey.machine);
    if !kernel.starts_with("Linux ") {
        return Some(seen(ARCHITECTURE, format!("{kernel}, not Linux")));
    }
    let what = || format!("{machine}; the bundle has: {}", ground.architectures);
    ground.agent.is_none().then(|| seen(ARCHITECTURE, what()))
}

fn library(survey: &Survey) -> Option<HostFinding> {
    let version = survey.libc.strip_prefix("glibc ").and_then(|version| {
        let (major, rest) = version.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    let shown = if survey.libc.is_empty() { "not the GNU C library" } else { &survey.libc };
    (version < Some(GLIBC_FLOOR)).then(|| seen(LIBRARY, shown))
}

fn systemd(survey: &Survey) -> Option<HostFinding> {
    if !survey.systemd_runs {
        return Some(seen(SYSTEMD, "process 1 is not systemd"));
    }
    (survey.systemd == 0).then(|| seen(SYSTEMD, "systemctl --version tells no version"))
}

/// Its systemd has no transient units as the agent needs them: the process form, then.
pub fn is_old(survey: &Survey) -> bool {
    (1..SYSTEMD_FLOOR).contains(&survey.systemd)
}

fn tools(survey: &Survey) -> Option<HostFinding> {
    let missing = survey.missing.join(", ");
    (!missing.is_empty()).then(|| seen(TOOLS, format!("missing: {missing}")))
}

fn room(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    // The new program lies beside the old one for a moment.
    let program = ground.agent.map_or(0, |(length, _)| length.saturating_mul(2));
    let wanted = [
        ("/usr/bin", survey.usr_bin, program),
        ("/etc", survey.etc, CONFIG_BYTES),
        ("/var/lib", survey.var_lib, RECORDS_BYTES),
    ];
    let wrong: Vec<String> = wanted
        .into_iter()
        .filter_map(|(folder, room, wanted)| match room.read_only {
            true => Some(format!("{folder} is mounted read only")),
            false if room.free_bytes < wanted => Some(format!(
                "{folder} has {} MiB free, {} MiB are wanted",
                room.free_bytes >> 20,
                wanted.div_ceil(1 << 20)
            )),
            false => None,
        })
        .collect();
    (!wrong.is_empty()).then(|| seen(ROOM, wrong.join("; ")))
}

fn execute(survey: &Survey) -> Option<HostFinding> {
    survey.usr_bin.no_exec.then(|| seen(EXECUTE, "/usr/bin is mounted noexec"))
}

/// The host read its clock between the two times of ours: only what lies outside of them is a difference.
fn clock(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    let (before, after) = ground.asked_ms;
    let (way, ms) = match survey.clock_ms {
        clock if clock < before => ("behind", before.abs_diff(clock)),
        clock if clock > after => ("ahead", clock.abs_diff(after)),
        _ => return None,
    };
    let rule = match ms {
        CLOCK_LIMIT_MS.. => CLOCK,
        CLOCK_ODD_MS.. => CLOCK_ODD,
        _ => return None,
    };
    Some(seen(rule, format!("{}.{:03} s {way} the clock here", ms / 1000, ms % 1000)))
}

fn port(survey: &Survey) -> Option<HostFinding> {
    let own = survey.agent_runs && survey.port_holder.starts_with(PROGRAM);
    if own || survey.port_holder.is_empty() {
        return None;
    }
    Some(seen(PORT, format!("port {AGENT_PORT}: {}", survey.port_holder)))
}

fn firewall(survey: &Survey) -> Option<HostFinding> {
    match &survey.firewall {
        Firewall::None | Firewall::Open(_) | Firewall::Unknown => None,
        Firewall::Closed(name) => {
            Some(seen(FIREWALL, format!("{name} is on and does not name port {AGENT_PORT}")))
        }
    }
}

fn selinux(survey: &Survey) -> Option<HostFinding> {
    (survey.selinux == "Enforcing").then(|| seen(SELINUX, "getenforce says Enforcing"))
}

fn reach(survey: &Survey) -> Option<HostFinding> {
    match &survey.enrolment {
        Reach::Yes | Reach::Unknown => None,
        Reach::No(why) if why.is_empty() => Some(seen(REACH, "no answer within 10 s")),
        Reach::No(why) => Some(seen(REACH, why.clone())),
    }
}

/// It has an identity of this site, and of this name.
fn is_ours(survey: &Survey, ground: &Ground<'_>) -> bool {
    match &survey.holder {
        Holder::Agent(own) => own.site == ground.site_id && own.name == ground.host.as_str(),
        Holder::Nobody | Holder::Unreadable(_) => false,
    }
}

fn foreign(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    match &survey.holder {
        Holder::Nobody => None,
        Holder::Unreadable(why) => {
            Some(seen(FOREIGN, format!("an identity that cannot be read: {why}")))
        }
        Holder::Agent(_) if is_ours(survey, ground) => None,
        Holder::Agent(own) if own.site == ground.site_id => {
            Some(seen(FOREIGN, format!("this machine is host {} of this site", own.name)))
        }
        Holder::Agent(own) => {
            Some(seen(FOREIGN, format!("this machine is host {} of site {}", own.name, own.site)))
        }
    }
}

fn in_the_way(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    if survey.unfinished.is_some() {
        // What is there is ours, or `place.sh` refuses it by its ledger.
        return None;
    }
    let mut wrong = Vec::new();
    let wanted = ground.agent.map(|(_, digest)| digest).unwrap_or_default();
    // One of a package is judged by its version, when it is started.
    if let Some(program) = &survey.program
        && program.package.is_none()
        && program.digest != wanted
        && !is_ours(survey, ground)
    {
        wrong.push("/usr/bin/bellows-agent is another program, of no package".to_owned());
    }
    if let Some(name) = &survey.config
        && name != ground.host.as_str()
    {
        wrong.push(format!("/etc/bellows/agent.toml is that of host {name:?}"));
    }
    (!wrong.is_empty()).then(|| seen(PROGRAM_THERE, wrong.join("; ")))
}

fn address(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    // A configuration that is there already says it, unless it is of a run that was cut off.
    let kept = survey.config.is_some() && survey.unfinished.is_none();
    if kept || address_of(survey, ground.address).is_some() {
        return None;
    }
    let own: Vec<String> = survey.addresses.iter().map(ToString::to_string).collect();
    let own = own.join(" ");
    let what = match ground.address.or(survey.connected_to) {
        Some(address) => format!("{address} is none of the host's own: {own}"),
        None => format!("the login does not tell it; the host has: {own}"),
    };
    Some(seen(ADDRESS, what))
}

fn name_taken(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    let known = ground.known.filter(|known| known.last_seen_at_ms != 0)?;
    let elsewhere = !is_ours(survey, ground);
    elsewhere.then(|| {
        seen(NAME_TAKEN, format!("host {} is at {}, {}", known.host, known.address, known.state))
    })
}

fn unfinished(survey: &Survey, ground: &Ground<'_>) -> Option<HostFinding> {
    let other = survey.unfinished.as_deref().filter(|name| *name != ground.host.as_str())?;
    Some(seen(UNFINISHED, format!("/var/lib/bellows-host-add is of host {other}")))
}

#[cfg(test)]
mod tests;
