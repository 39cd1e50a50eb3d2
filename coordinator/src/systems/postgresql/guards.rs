//! The guards: numbered rules that must hold before anything is planned. This file is the list
//! of them, each with its reason; the modules below look at a cluster with them. A guard that
//! cannot be judged refuses too. Numbers never change their meaning.

mod adopted;
mod adopting;
mod backup;
mod capacity;
mod cluster;
mod dead;
mod fronts;
mod judge;
mod leaving;
mod moving;
mod newcomers;
mod restarting;
mod returning;
mod slots;

use bellows_proto::v1::{GuardSeen, Plan, Refusal, Spec};

pub(super) use adopting::Adopting;
pub(super) use capacity::seen as capacity_seen;
pub(super) use fronts::seen as fronts_seen;
pub(super) use judge::{
    Replacing, Shrinking, adopt, create, expand, reconfigure, rejoin, replace, restart, shrink,
    switchover,
};
pub(super) use moving::Moving;
pub(super) use newcomers::obstacles;
pub(super) use restarting::{Last, Restarting};
pub(super) use returning::Returning;

use super::{Policy, view::View};
use crate::plan;

/// Everything that said no so far.
type Findings<'a> = plan::Findings<'a, View<'a>, Rule>;

plan::rules! {
    ValidIntent = "PG-01", "valid intent",
        "What nobody can read, nobody may act on.",
        "correct the command; see bellows help";
    HostsAnswer = "PG-02", "hosts answer",
        "A host that is silent now would be silent in the middle.",
        "enrol the host, or start its agent: systemctl start bellows-agent; see bellows host list";
    EverythingRead = "PG-03", "everything needed was read",
        "No answer is no answer: what could not be read is never taken for good.",
        "mend what is named, then plan again";
    OnePrimary = "PG-04", "exactly one primary",
        "Without one primary nobody knows whose data are the cluster's.",
        "see bellows status CLUSTER --fresh; with several primaries let the older one come back: bellows rejoin CLUSTER --node NODE --discard-data";
    MembersHealthy = "PG-05", "all members healthy",
        "A change puts load on a cluster and takes away slack: a cluster that ails has none.",
        "see bellows status CLUSTER --fresh, mend what is named, then plan again";
    SameServerVersions = "PG-06", "equal server versions",
        "A base backup only starts on the same major version, and repmgr refuses other versions of its extension.",
        "install the same major version of PostgreSQL and the same repmgr on all hosts";
    SameArchitecture = "PG-07", "equal architecture",
        "Data files are written in the processor's own byte order and alignment.",
        "choose a host of the same architecture";
    SameCLibrary = "PG-08", "equal C library",
        "An older C library sorts text in another order: its indexes would be silently wrong.",
        "choose a host with the same release of the operating system";
    SameCollations = "PG-09", "equal collation versions",
        "A database whose collation moved under it has wrong indexes already, and would hand them on.",
        "REINDEX what uses the collation, then ALTER DATABASE NAME REFRESH COLLATION VERSION";
    NeededSettings = "PG-10", "settings that repmgr needs",
        "repmgr clones, follows and rewinds only with these.",
        "set it in postgresql.conf on every member and restart them one by one";
    SenderHeadroom = "PG-11", "WAL sender head-room",
        "Each clone takes two WAL senders while it runs, each standby one: a clone that finds none fails late.",
        "raise max_wal_senders on every member (standbys first) and restart, or add fewer nodes at once";
    SlotHeadroom = "PG-12", "replication slot head-room",
        "Each standby takes a slot: without one the primary throws its WAL away.",
        "raise max_replication_slots on every member (standbys first) and restart, or drop slots that nobody uses";
    FreeDisk = "PG-13", "free disk",
        "A base backup that fills the disk has cost its hours, and may hurt what else lives there.",
        "free space under the data root, or choose another host";
    DirectoryVacant = "PG-14", "directories absent or empty",
        "What is in a directory already is somebody's.",
        "move what is there away by hand, or choose another node name or host";
    PortFree = "PG-15", "port free",
        "Two servers cannot listen on one port.",
        "stop what listens there, or choose another port: --option port=N";
    NameFree = "PG-16", "node name not taken",
        "A name is how members, records and services are told apart.",
        "choose another node name";
    NotClaimed = "PG-17", "place not claimed",
        "A claim that is still there belongs to an operation that has not ended.",
        "undo or abandon the operation that claimed it: bellows op list";
    ClocksAgree = "PG-18", "clocks agree within 2 s",
        "Logs and timeouts of several hosts are read together.",
        "let chrony or systemd-timesyncd set the clock of the host";
    MinimumMembers = "PG-19", "minimum members",
        "Fewer members than this cannot bear the loss of one.",
        "remove fewer nodes, or expand the cluster first";
    SyncSatisfiable = "PG-20", "synchronous_standby_names satisfiable",
        "A commit that waits for a standby that is gone waits for ever.",
        "take the leaving nodes out of synchronous_standby_names on every member and reload, then plan again";
    NoLeftoverSlots = "PG-21", "no leftover slots",
        "An inactive slot of nobody keeps WAL until the disk is full.",
        "find out whose it is; if nobody's: SELECT pg_drop_replication_slot('NAME') on the primary";
    NoDownstream = "PG-22", "no standby below the leaving node",
        "A standby below the leaving one would lose its source.",
        "let the standbys below follow the primary first: repmgr standby follow";
    // The number 23 ("not the primary") is not used again: its role moves first, and it may leave.
    AllowedOnHost = "PG-24", "allowed on the host",
        "What may run on a host, its owner has written down there.",
        "the host's administrator changes agent.toml: [systems.postgresql], mode = \"manage\"";
    OneNodePerHost = "PG-25", "one node of a cluster per host",
        "Members on one host are lost together: they are no redundancy.",
        "choose a host that has no node of this cluster";
    NoTombstone = "PG-26", "no tombstone of that name on the host",
        "A node that has left for good does not come back by its old name on its old host.",
        "choose another node name";
    SameLoginFile = "PG-27", "same login file on all hosts",
        "The path of the login file travels within connection strings, so it is the same everywhere.",
        "set [systems.postgresql] passfile to the same path in every agent.toml, and place the file there";
    ToolsThere = "PG-28", "tools are installed",
        "A tool that is not there is found missing before anything is changed.",
        "install the PostgreSQL server and repmgr packages on the host";
    FilesAsLeft = "PG-29", "managed files as Bellows left them",
        "Configuration that somebody changed by hand is not overwritten.",
        "take the change back, or move it into the cluster's options; see bellows status CLUSTER --fresh";
    ClusterKnown = "PG-30", "cluster known",
        "A cluster is made once, and changed only where it is known.",
        "see bellows cluster list";
    FollowsPrimary = "PG-31", "the leaving node follows the primary, and has a slot nowhere else",
        "A slot is dropped at the primary: one at another member would stay, and keep WAL there.",
        "let it follow the primary (repmgr standby follow); drop its inactive slot at the member that is named";
    CanTakeOver = "PG-32", "a standby that can take over",
        "Whoever becomes primary must have nearly everything already, and be free to replay it.",
        "choose a standby that streams with little lag: bellows status CLUSTER --fresh; resume its replay if it is paused";
    EveryoneFollowsPrimary = "PG-33", "every standby follows the primary",
        "A standby below another standby is not led to the new primary: nobody knows whether it should be.",
        "let it follow the primary first: repmgr standby follow";
    DeadIsSilent = "PG-40", "a host that is named dead does not answer",
        "What answers is not dead: it would be forgotten while it runs.",
        "switch the host off, or replace the node without --dead";
    DeadIsNotConnected = "PG-41", "a node that is named dead is not connected",
        "A node that streams lives, whatever its agent says: it would be forgotten while it has clients.",
        "look at the host: its agent may be stopped (systemctl status bellows-agent), or the network between it and the coordinator cut";
    SurvivorsRoom = "PG-50", "room for clients at those who stay",
        "Clients of a server that goes look for another one; where all are full, they are turned away.",
        "raise max_connections on those who stay and restart them, or end clients first; or accept it: --accept PG-50=REASON";
    BackupAge = "PG-51", "age of the last good backup",
        "When a change goes wrong, the last good backup is what is left.",
        "make a backup, see it with pgbackrest info on the host that names it in agent.toml, then plan again; or accept it: --accept PG-51=REASON";
    OneServerFound = "PG-60", "one server to adopt on each host",
        "Which server is meant is not guessed.",
        "start it if it does not run; where a host has several, name the port: --host HOST:PORT";
    Adoptable = "PG-61", "a server that can be read and cloned",
        "What cannot be read cannot be cared for.",
        "mend what is named: repmgr needs the role and the database repmgr, and this host's passfile a login of that role";
    DeclaredByRoot = "PG-62", "adoption allowed by the host's root",
        "What may be done with a server that is there, the host's root has written down there.",
        "have the line in agent.toml on that host (root), restart the agent, then plan again";
    OneCluster = "PG-63", "one cluster, of which all say the same",
        "Servers that do not agree who is a member are no one cluster, or not any more.",
        "see repmgr cluster show on each host; mend the records, then plan again";
    EveryMemberNamed = "PG-64", "every member's host is named",
        "A member that nobody looks at would be forgotten in every plan.",
        "enrol its host and name it with --host; if the member is gone for good: repmgr standby unregister --node-id=ID";
    LetInByHand = "PG-65", "adopted members let the new ones in",
        "Any member may become primary and must then let the new ones in; the rules of an adopted one are not Bellows' to write.",
        "add the line to that file by hand, reload: SELECT pg_reload_conf(); then plan again";
    StoppableByRoot = "PG-66", "adopted members that may be stopped",
        "An adopted member is stopped and started only by what root of its host has named for it: stopped in another way, it would be started again behind the plan's back.",
        "mend what is named on that host: have the line in agent.toml (root) and restart the agent, or have the unit start it; or do it by hand, with repmgr; then plan again";
    TheirsToKeep = "PG-67", "what stays somebody else's",
        "Data and settings of an adopted member are not Bellows' own: it neither removes nor changes them to make a plan possible.",
        "do what is named by hand, then plan again";
    CanFollow = "PG-70", "data that can follow the primary",
        "What is written in a data directory and is not in the primary's past is in the way of what the primary sends.",
        "have the data copied anew, what is only there is lost: bellows rejoin CLUSTER --node NODE --discard-data; or look at them first, and replace the node: bellows replace";
    PrimaryComesAfter = "PG-71", "the primary comes after the returning node",
        "A node only gives way to a primary of the same cluster that took over from it: the other way round the newer data would be lost.",
        "find out which of them is right: bellows status CLUSTER --fresh; stop the wrong one by hand, then rejoin that one";
    NobodyFollowsIt = "PG-72", "nobody follows the returning node",
        "A standby below the returning node would lose its source, and perhaps the only other copy of what the node took.",
        "let the standbys that are named follow the primary first: bellows rejoin CLUSTER --node STANDBY";
    DataAreOurs = "PG-73", "data that Bellows put there",
        "What Bellows did not put into a directory it does not discard.",
        "move the data directory away by hand, or replace the node: bellows replace";
    FrontsAnswer = "PG-80", "what stands in front of the cluster answers",
        "A front that cannot be told would lead clients to a member that is gone, and writers to a standby.",
        "start it and its host's agent; it must be declared in that host's agent.toml: [[systems.postgresql.fronts]]; or take it out of site.toml";
    FrontsServe = "PG-81", "what stands in front lists the members",
        "Who is listed there and no member, or the other way round, somebody else decided: it is not overwritten.",
        "list the members there, by address and port as bellows cluster show prints them, in its configuration and after a restart; then plan again";
}

/// What the soft guards say. `plan`: what the hard ones let pass; without it only some can be judged.
pub(super) fn soft(
    spec: &Spec,
    view: View<'_>,
    policy: &Policy,
    plan: Option<&Plan>,
) -> Vec<Refusal> {
    if spec.version == 0 {
        // Nobody has clients or data yet.
        return Vec::new();
    }
    let mut said = plan.map(|plan| capacity::judge(view, plan)).unwrap_or_default();
    if let Some(Err(value)) = backup::judge(view, policy) {
        said.push(Rule::BackupAge.refusal(value));
    }
    said
}

/// The last good backup, where the site demands one.
pub(super) fn backup_seen(view: View<'_>, policy: &Policy) -> Option<GuardSeen> {
    let value = backup::judge(view, policy)?.ok()?;
    Some(Rule::BackupAge.seen(value))
}

impl Rule {
    /// Those that an administrator may accept with a reason: they protect no data. All others are hard.
    pub(super) const SOFT: &'static [Self] = &[Self::SurvivorsRoom, Self::BackupAge];
}
