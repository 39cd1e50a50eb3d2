//! The guards: numbered rules that must hold before anything is planned. This file is the list
//! of them, each with its reason; the modules below look at a cluster with them. A guard that
//! cannot be judged refuses too. Numbers never change their meaning.

mod cluster;
mod leaving;
mod newcomers;

pub(super) use newcomers::obstacles;

use bellows_proto::v1::{Intent, PostgresqlSpecOptions, Refusal, Spec};

use super::{
    draft::Placed,
    view::{Primary, View},
};

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// What nobody can read, nobody may act on.
    ValidIntent,
    /// A host that is silent now would be silent in the middle.
    HostsAnswer,
    /// No answer is no answer: what could not be read is never taken for good.
    EverythingRead,
    /// Without one primary nobody knows whose data are the cluster's.
    OnePrimary,
    /// A change puts load on a cluster and takes away slack: a cluster that ails has none.
    MembersHealthy,
    /// A base backup only starts on the same major version, and repmgr refuses other versions of its extension.
    SameServerVersions,
    /// Data files are written in the processor's own byte order and alignment.
    SameArchitecture,
    /// An older C library sorts text in another order: its indexes would be silently wrong.
    SameCLibrary,
    /// A database whose collation moved under it has wrong indexes already, and would hand them on.
    SameCollations,
    /// repmgr clones, follows and rewinds only with these.
    NeededSettings,
    /// Each clone takes two WAL senders while it runs, each standby one: a clone that finds none fails late.
    SenderHeadroom,
    /// Each standby takes a slot: without one the primary throws its WAL away.
    SlotHeadroom,
    /// A base backup that fills the disk has cost its hours, and may hurt what else lives there.
    FreeDisk,
    /// What is in a directory already is somebody's.
    DirectoryVacant,
    /// Two servers cannot listen on one port.
    PortFree,
    /// A name is how members, records and services are told apart.
    NameFree,
    /// A claim that is still there belongs to an operation that has not ended.
    NotClaimed,
    /// Logs and timeouts of several hosts are read together.
    ClocksAgree,
    /// Fewer members than this cannot bear the loss of one.
    MinimumMembers,
    /// A commit that waits for a standby that is gone waits for ever.
    SyncSatisfiable,
    /// An inactive slot of nobody keeps WAL until the disk is full.
    NoLeftoverSlots,
    /// A standby below the leaving one would lose its source.
    NoDownstream,
    /// Stopping the primary is a failover, with its risks: a planned change of roles comes first.
    NeverThePrimary,
    /// What may run on a host, its owner has written down there.
    AllowedOnHost,
    /// Members on one host are lost together: they are no redundancy.
    OneNodePerHost,
    /// A node that has left for good does not come back by its old name on its old host.
    NoTombstone,
    /// The path of the login file travels within connection strings, so it is the same everywhere.
    SameLoginFile,
    /// A tool that is not there is found missing before anything is changed.
    ToolsThere,
    /// Configuration that somebody changed by hand is not overwritten.
    FilesAsLeft,
    /// A cluster is made once, and changed only where it is known.
    ClusterKnown,
}

impl Rule {
    /// Number, name, and what would mend it.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ValidIntent => {
                ("PG-01", "valid intent", "correct the command; see bellows expand --help")
            }
            Self::HostsAnswer => (
                "PG-02",
                "hosts answer",
                "enrol the host, or start its agent: systemctl start bellows-agent; see bellows host list",
            ),
            Self::EverythingRead => {
                ("PG-03", "everything needed was read", "mend what is named, then plan again")
            }
            Self::OnePrimary => (
                "PG-04",
                "exactly one primary",
                "see bellows status CLUSTER --fresh; with several primaries stop the wrong one by hand first",
            ),
            Self::MembersHealthy => (
                "PG-05",
                "all members healthy",
                "see bellows status CLUSTER --fresh, mend what is named, then plan again",
            ),
            Self::SameServerVersions => (
                "PG-06",
                "equal server versions",
                "install the same major version of PostgreSQL and the same repmgr on all hosts",
            ),
            Self::SameArchitecture => {
                ("PG-07", "equal architecture", "choose a host of the same architecture")
            }
            Self::SameCLibrary => (
                "PG-08",
                "equal C library",
                "choose a host with the same release of the operating system",
            ),
            Self::SameCollations => (
                "PG-09",
                "equal collation versions",
                "REINDEX what uses the collation, then ALTER DATABASE NAME REFRESH COLLATION VERSION",
            ),
            Self::NeededSettings => (
                "PG-10",
                "settings that repmgr needs",
                "set it in postgresql.conf on every member and restart them one by one",
            ),
            Self::SenderHeadroom => (
                "PG-11",
                "WAL sender head-room",
                "raise max_wal_senders on every member (standbys first) and restart, or add fewer nodes at once",
            ),
            Self::SlotHeadroom => (
                "PG-12",
                "replication slot head-room",
                "raise max_replication_slots on every member (standbys first) and restart, or drop slots that nobody uses",
            ),
            Self::FreeDisk => {
                ("PG-13", "free disk", "free space under the data root, or choose another host")
            }
            Self::DirectoryVacant => (
                "PG-14",
                "directories absent or empty",
                "move what is there away by hand, or choose another node name or host",
            ),
            Self::PortFree => (
                "PG-15",
                "port free",
                "stop what listens there, or choose another port: --option port=N",
            ),
            Self::NameFree => ("PG-16", "node name not taken", "choose another node name"),
            Self::NotClaimed => (
                "PG-17",
                "place not claimed",
                "undo or abandon the operation that claimed it: bellows op list",
            ),
            Self::ClocksAgree => (
                "PG-18",
                "clocks agree within 2 s",
                "let chrony or systemd-timesyncd set the clock of the host",
            ),
            Self::MinimumMembers => {
                ("PG-19", "minimum members", "remove fewer nodes, or expand the cluster first")
            }
            Self::SyncSatisfiable => (
                "PG-20",
                "synchronous_standby_names satisfiable",
                "take the leaving nodes out of synchronous_standby_names on every member and reload, then plan again",
            ),
            Self::NoLeftoverSlots => (
                "PG-21",
                "no leftover slots",
                "find out whose it is; if nobody's: SELECT pg_drop_replication_slot('NAME') on the primary",
            ),
            Self::NoDownstream => (
                "PG-22",
                "no standby below the leaving node",
                "let the standbys below follow the primary first: repmgr standby follow",
            ),
            Self::NeverThePrimary => (
                "PG-23",
                "not the primary",
                "switch the primary role over to another member first, then shrink",
            ),
            Self::AllowedOnHost => (
                "PG-24",
                "allowed on the host",
                "the host's administrator changes agent.toml: [systems.postgresql], mode = \"manage\"",
            ),
            Self::OneNodePerHost => (
                "PG-25",
                "one node of a cluster per host",
                "choose a host that has no node of this cluster",
            ),
            Self::NoTombstone => {
                ("PG-26", "no tombstone of that name on the host", "choose another node name")
            }
            Self::SameLoginFile => (
                "PG-27",
                "same login file on all hosts",
                "set [systems.postgresql] passfile to the same path in every agent.toml, and place the file there",
            ),
            Self::ToolsThere => (
                "PG-28",
                "tools are installed",
                "install the PostgreSQL server and repmgr packages on the host",
            ),
            Self::FilesAsLeft => (
                "PG-29",
                "managed files as Bellows left them",
                "take the change back, or move it into the cluster's options; see bellows status CLUSTER --fresh",
            ),
            Self::ClusterKnown => ("PG-30", "cluster known", "see bellows cluster list"),
        }
    }

    /// The rule says no, because this was seen.
    pub(super) fn refusal(self, value: impl Into<String>) -> Refusal {
        let (code, rule, remedy) = self.texts();
        Refusal {
            code: code.to_owned(),
            rule: rule.to_owned(),
            value: value.into(),
            remedy: remedy.to_owned(),
            ..Refusal::default()
        }
    }
}

/// Everything that said no so far.
struct Findings<'a> {
    spec: &'a Spec,
    view: View<'a>,
    refusals: Vec<Refusal>,
}

impl<'a> Findings<'a> {
    fn new(spec: &'a Spec, view: View<'a>) -> Self {
        Self { spec, view, refusals: Vec::new() }
    }

    fn say(&mut self, rule: Rule, node: &str, host: &str, value: impl Into<String>) {
        let refusal =
            Refusal { node: node.to_owned(), host: host.to_owned(), ..rule.refusal(value) };
        // The same thing found on two ways is said once.
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// What is known, or a refusal that says what did not answer.
    fn known<T>(&mut self, node: &str, host: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.say(Rule::EverythingRead, node, host, why)).ok()
    }

    /// In the order of the rules' numbers.
    fn end<T>(mut self, good: Option<T>) -> Result<T, Vec<Refusal>> {
        self.refusals.sort_by(|a, b| a.code.cmp(&b.code));
        match good {
            Some(good) if self.refusals.is_empty() => Ok(good),
            Some(_) => Err(self.refusals),
            None if self.refusals.is_empty() => {
                Err(vec![Rule::EverythingRead.refusal("the cluster could not be read")])
            }
            None => Err(self.refusals),
        }
    }
}

/// A cluster that may grow.
pub(super) struct Expanding<'a> {
    pub(super) members: Vec<Placed>,
    pub(super) primary: Placed,
    pub(super) seen: Primary<'a>,
    /// As their hosts propose them: without ids.
    pub(super) new: Vec<Placed>,
}

/// A cluster that may lose these standbys.
pub(super) struct Shrinking {
    pub(super) leaving: Vec<Placed>,
    pub(super) staying: Vec<Placed>,
    pub(super) primary: Placed,
    /// Slots of the leaving nodes by node, where repmgr's record names another than its rule would.
    pub(super) slots: Vec<(String, String)>,
    /// Slots of leaving nodes that are not claimed at the primary's host.
    pub(super) unclaimed_slots: Vec<String>,
}

impl Shrinking {
    /// The slot of a leaving node.
    pub(super) fn slot_of(&self, node: &Placed) -> String {
        let named = self.slots.iter().find(|(name, _)| *name == node.node);
        named.map_or_else(|| node.slot(), |(_, slot)| slot.clone())
    }
}

/// Whether a cluster may be made of these nodes; their places as the hosts propose them.
pub(super) fn create(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
    options: &PostgresqlSpecOptions,
) -> Result<Vec<Placed>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let nodes = crate::plan::added(intent);
    if spec.version != 0 {
        findings.say(
            Rule::ClusterKnown,
            "",
            "",
            format!("the cluster {} exists already", spec.cluster),
        );
    }
    cluster::enough(&mut findings, nodes.len(), options.min_members);
    let places = newcomers::places(&mut findings, nodes, &[]);
    newcomers::fresh_disk(&mut findings, nodes);
    findings.end(Some(places))
}

/// Whether these nodes may join.
pub(super) fn expand<'a>(
    spec: &'a Spec,
    view: View<'a>,
    intent: &Intent,
) -> Result<Expanding<'a>, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let nodes = crate::plan::added(intent);
    let members = cluster::members(&mut findings);
    let seen = cluster::sound(&mut findings);
    let new = newcomers::places(&mut findings, nodes, &members);
    if let Some(seen) = seen {
        newcomers::headroom(&mut findings, seen, &new);
        newcomers::names_at_primary(&mut findings, seen, nodes);
    }
    let primary = seen
        .and_then(|seen| members.iter().find(|member| member.node == seen.member.node).cloned());
    let good = seen.zip(primary).map(|(seen, primary)| Expanding { members, primary, seen, new });
    findings.end(good)
}

/// Whether these standbys may leave.
pub(super) fn shrink(
    spec: &Spec,
    view: View<'_>,
    intent: &Intent,
) -> Result<Shrinking, Vec<Refusal>> {
    let mut findings = Findings::new(spec, view);
    let members = cluster::members(&mut findings);
    let seen = cluster::sound(&mut findings);
    let good = leaving::judge(&mut findings, intent, &members, seen);
    findings.end(good)
}
