//! The guards: numbered rules that must hold before anything is planned. This file is the list
//! of them, each with its reason; the modules below look at a cluster with them. A guard that
//! cannot be judged refuses too. Numbers never change their meaning.

mod cluster;
mod judge;
mod leaving;
mod newcomers;

use bellows_proto::v1::Refusal;

pub(super) use judge::{Shrinking, create, expand, shrink};
pub(super) use newcomers::obstacles;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// PG-01. What nobody can read, nobody may act on.
    ValidIntent,
    /// PG-02. A host that is silent now would be silent in the middle.
    HostsAnswer,
    /// PG-03. No answer is no answer: what could not be read is never taken for good.
    EverythingRead,
    /// PG-04. Without one primary nobody knows whose data are the cluster's.
    OnePrimary,
    /// PG-05. A change puts load on a cluster and takes away slack: a cluster that ails has none.
    MembersHealthy,
    /// PG-06. A base backup only starts on the same major version, and repmgr refuses other versions of its extension.
    SameServerVersions,
    /// PG-07. Data files are written in the processor's own byte order and alignment.
    SameArchitecture,
    /// PG-08. An older C library sorts text in another order: its indexes would be silently wrong.
    SameCLibrary,
    /// PG-09. A database whose collation moved under it has wrong indexes already, and would hand them on.
    SameCollations,
    /// PG-10. repmgr clones, follows and rewinds only with these.
    NeededSettings,
    /// PG-11. Each clone takes two WAL senders while it runs, each standby one: a clone that finds none fails late.
    SenderHeadroom,
    /// PG-12. Each standby takes a slot: without one the primary throws its WAL away.
    SlotHeadroom,
    /// PG-13. A base backup that fills the disk has cost its hours, and may hurt what else lives there.
    FreeDisk,
    /// PG-14. What is in a directory already is somebody's.
    DirectoryVacant,
    /// PG-15. Two servers cannot listen on one port.
    PortFree,
    /// PG-16. A name is how members, records and services are told apart.
    NameFree,
    /// PG-17. A claim that is still there belongs to an operation that has not ended.
    NotClaimed,
    /// PG-18. Logs and timeouts of several hosts are read together.
    ClocksAgree,
    /// PG-19. Fewer members than this cannot bear the loss of one.
    MinimumMembers,
    /// PG-20. A commit that waits for a standby that is gone waits for ever.
    SyncSatisfiable,
    /// PG-21. An inactive slot of nobody keeps WAL until the disk is full.
    NoLeftoverSlots,
    /// PG-22. A standby below the leaving one would lose its source.
    NoDownstream,
    /// PG-23. Stopping the primary is a failover, with its risks: a planned change of roles comes first.
    NeverThePrimary,
    /// PG-24. What may run on a host, its owner has written down there.
    AllowedOnHost,
    /// PG-25. Members on one host are lost together: they are no redundancy.
    OneNodePerHost,
    /// PG-26. A node that has left for good does not come back by its old name on its old host.
    NoTombstone,
    /// PG-27. The path of the login file travels within connection strings, so it is the same everywhere.
    SameLoginFile,
    /// PG-28. A tool that is not there is found missing before anything is changed.
    ToolsThere,
    /// PG-29. Configuration that somebody changed by hand is not overwritten.
    FilesAsLeft,
    /// PG-30. A cluster is made once, and changed only where it is known.
    ClusterKnown,
    /// PG-31. A slot is dropped at the primary: one at another member would stay, and keep WAL there.
    FollowsPrimary,
}

impl Rule {
    /// Number, name, and what would mend it.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ValidIntent => ("PG-01", "valid intent", "correct the command; see bellows help"),
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
            Self::FollowsPrimary => (
                "PG-31",
                "the leaving node follows the primary, and has a slot nowhere else",
                "let it follow the primary (repmgr standby follow); drop its inactive slot at the member that is named",
            ),
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
