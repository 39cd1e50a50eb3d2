//! The guards: numbered rules that must hold before anything is planned. This file is the list
//! of them, each with its reason; the modules below look at a cluster with them. A guard that
//! cannot be judged refuses too. Numbers never change their meaning.

mod adopting;
mod certifying;
mod cluster;
mod departing;
mod judge;
mod newcomers;
mod restarting;
mod returning;

use super::view::View;
use crate::plan;

pub(super) use adopting::Adopting;
pub(super) use certifying::Certifying;
pub(super) use departing::{Leaving, Replacing, disk_of, replace, shrink};
pub(super) use judge::{adopt, expand};
pub(super) use newcomers::{needed_bytes, obstacles};
pub(super) use restarting::{Restarting, reconfigure, restart};
pub(super) use returning::{Returning, rejoin};

/// Everything that said no so far.
type Findings<'a> = plan::Findings<'a, View<'a>, Rule>;

plan::rules! {
    ValidIntent = "KW-01", "valid intent",
        "What nobody can read, nobody may act on.",
        "correct the command; see bellows help";
    HostsAnswer = "KW-02", "hosts answer",
        "A host that is silent now would be silent in the middle.",
        "enrol the host, or start its agent: systemctl start bellows-agent; see bellows host list";
    EverythingRead = "KW-03", "everything needed was read",
        "No answer is no answer: what could not be read is never taken for good.",
        "mend what is named, then plan again";
    ClusterKnown = "KW-04", "cluster known",
        "A cluster is taken into care once, and changed only where it is known.",
        "see bellows cluster list";
    NotOurs = "KW-05", "what Bellows does for KWDB",
        "The installer makes clusters of KWDB, and all their nodes are alike: there is nothing to make and no role to move.",
        "make the cluster with KWDB's installer, then: bellows cluster adopt";
    AllowedOnHost = "KW-06", "allowed on the host",
        "What may run on a host, its owner has written down there.",
        "the host's administrator changes agent.toml: [systems.kwdb], mode = \"manage\"";
    ToolsThere = "KW-07", "kwbase is installed",
        "A node is made of the package that the administrator has put there.",
        "install KWDB on the host, the same version as the cluster's, and do not start it";
    ClocksAgree = "KW-08", "clocks agree within 500 ms",
        "A node whose clock is off by more stops itself, and may give wrong answers until then.",
        "let chrony or systemd-timesyncd set the clock of the host";
    SameVersions = "KW-09", "equal versions",
        "Nodes of different versions do not share data safely.",
        "install the same version on all hosts; end an upgrade that is under way";
    ScalingBuild = "KW-10", "a build that scales",
        "Open-source builds before V2.2.1 refuse nodes that join or leave.",
        "upgrade the cluster to V2.2.1 or later";
    MembersHealthy = "KW-11", "all members available and live",
        "A change puts load on a cluster and takes away slack: a cluster that ails has none.",
        "see bellows status CLUSTER --fresh, mend what is named, then plan again";
    RangesWhole = "KW-12", "no range unavailable or under-replicated",
        "Data that have not all their replicas may lose the last one while others move.",
        "wait until the cluster has repaired itself: bellows status CLUSTER --fresh; if it does not, look at its logs";
    Quiet = "KW-13", "nobody else leaves or upgrades",
        "Several nodes that are decommissioned at once do not come to an end, and a cluster that is being upgraded refuses it.",
        "end it first: let it finish, or kwbase node recommission ID";
    EveryMemberKnown = "KW-14", "every node that the cluster lists is a member here",
        "A node that nobody looks at would be forgotten in every plan.",
        "if it is gone for good: kwbase node decommission ID; if not, have its host enrolled and the cluster adopted anew";
    SameKind = "KW-15", "start mode and security as they were",
        "How a cluster keeps its data and whom it lets in is chosen once.",
        "see bellows status CLUSTER --fresh; a node that was started otherwise is stopped by hand";
    NotTlcp = "KW-16", "no certificates of TLCP",
        "Certificates of the Chinese national algorithms cannot be made or used here: recognised, and left alone.",
        "use KWDB's own tools for this cluster";
    NotIntoContainer = "KW-17", "no new node in a container",
        "Nothing here can give a container's compose file another start.",
        "install KWDB without a container on the new host, or join it by KWDB's own tools and adopt the cluster anew";
    PlaceFree = "KW-18", "directories absent or empty, and the unit free",
        "What is in a directory or a unit already is somebody's.",
        "move what is named away by hand, or choose another host";
    PortFree = "KW-19", "ports free",
        "Two servers cannot listen on one port.",
        "stop what listens there, or choose other ports in agent.toml: [systems.kwdb]";
    NameFree = "KW-20", "node name not taken",
        "A name is how members, records and services are told apart.",
        "choose another node name";
    NotClaimed = "KW-21", "place not claimed",
        "A claim that is still there belongs to an operation that has not ended, or to another cluster.",
        "undo or abandon the operation that claimed it: bellows op list";
    OneNodePerHost = "KW-22", "one node of a cluster per host",
        "Members on one host are lost together: they are no redundancy.",
        "choose a host that has no node of this cluster";
    NoTombstone = "KW-23", "no tombstone of that name on the host",
        "A node that has left for good does not come back by its old name on its old host.",
        "choose another node name";
    AddressFree = "KW-24", "address not listed by the cluster",
        "A node is known by its address: two with the same one cannot be told apart.",
        "if the old node is gone for good: kwbase node decommission ID; then plan again";
    FreeDisk = "KW-25", "free disk",
        "A node takes its share of all data: one that fills up takes the cluster with it.",
        "free space under the data root, or choose another host";
    CanSign = "KW-26", "somebody who can sign",
        "A secure node needs certificates of the cluster's own authority, and its key never travels.",
        "place ca.key beside ca.crt on one member's host and name it: bellows reconfigure CLUSTER --option ca_host=HOST; or place certificates on the new host by hand: kwbase cert create-node, create-client root";
    CertificatesFit = "KW-27", "certificates that fit, or none",
        "What somebody has placed is not overwritten, and what does not fit does not let a node in.",
        "move the files that are named out of the certificates' folder, or place ones that fit";
    FilesAsLeft = "KW-28", "managed files as Bellows left them",
        "What somebody changed by hand is not overwritten.",
        "take the change back; see bellows status CLUSTER --fresh";
    FrontEndThere = "KW-29", "deploy.sh where it is the front end",
        "A front end that was chosen and is not there cannot be used.",
        "name it in agent.toml: [systems.kwdb] deploy_sh; or: bellows reconfigure CLUSTER --option front_end=kwbase";
    OneNodeFound = "KW-30", "a node to adopt on each host",
        "Which node is meant is not guessed.",
        "start it if it does not run; name only hosts that have a node of the cluster";
    Adoptable = "KW-31", "a node that can be read",
        "What cannot be read cannot be cared for.",
        "mend what is named, then plan again";
    DeclaredByRoot = "KW-32", "adoption allowed by the host's root",
        "What may be done with a node that is there, the host's root has written down there.",
        "have the line in agent.toml on that host (root), restart the agent, then plan again";
    OneCluster = "KW-33", "one cluster, of which all say the same",
        "Nodes that do not agree who is a member are no one cluster, or not any more.",
        "see kwbase node status at each of them; mend it, then plan again";
    EveryMemberNamed = "KW-34", "every member's host is named",
        "A member that nobody looks at would be forgotten in every plan.",
        "enrol its host and name it with --host; if the member is gone for good: kwbase node decommission ID";
    ClusterOfNodes = "KW-35", "a cluster, not a single node",
        "What was started as a single node has no members and gets none.",
        "make a cluster with KWDB's installer";
    MinimumMembers = "KW-36", "minimum members",
        "With three replicas of everything, fewer than three members keep nothing whole.",
        "remove fewer nodes, or expand the cluster first";
    StoppableByRoot = "KW-37", "a host that can take and stop a node",
        "A node is stopped and started only as root of its host allows it.",
        "mend what is named on that host, then plan again";
    LetsGo = "KW-40", "a cluster that lets nodes go",
        "With one replica of everything nothing can be moved away from a node: kwbase refuses it.",
        "take the data out and load them into a cluster of several replicas";
    ZonesSatisfiable = "KW-41", "every zone satisfiable without the leaving node",
        "A replica that may be nowhere else stays, and the decommission never ends.",
        "run the statement that is named, or expand the cluster first";
    Room = "KW-42", "room for its data at those who stay",
        "A disk that fills up takes its node with it, and the decommission never ends.",
        "free space on those who stay, or expand the cluster first";
    NoWaiters = "KW-43", "nobody waits for a decommission",
        "A kwbase node decommission that waits flags its node again on every turn: it would take a cancel back behind everybody's back.",
        "end the process that is named on that host: the data go on moving without it";
    TheirsToKeep = "KW-44", "what stays somebody else's",
        "Data of an adopted member are not Bellows' own: it does not remove them.",
        "leave data=wipe out, and remove them by hand afterwards";
    DeadIsSilent = "KW-45", "a host that is named dead does not answer",
        "What answers is not dead: it would be forgotten while it runs.",
        "switch the host off, or replace the node without --dead";
    DeadIsNotLive = "KW-46", "a node that is named dead is not live",
        "A node that others see live lives, whatever its agent says: it would be forgotten while it has clients.",
        "look at the host: its agent may be stopped, or the network between it and the coordinator cut; after a crash the cluster takes up to 20 s to notice";
    IdKnown = "KW-47", "the id of the node is known",
        "The cluster knows numbers only: the wrong one would be taken out.",
        "look for it in kwbase node status --decommission, and say it: --option node_id=N";
    Emptied = "KW-50", "an emptied data directory",
        "A node that comes up with the data of one that has left comes up decommissioned.",
        "look at the data, then have them discarded: --discard-data; or empty the directory by hand; or start the node by its unit where it is a member still";
    DataAreOurs = "KW-51", "data that Bellows put there",
        "What Bellows did not put into a directory it does not discard.",
        "empty the directory by hand, then plan again";
    LeadsToCluster = "KW-52", "a start that leads to the cluster",
        "A node with an empty directory becomes what those are that it joins.",
        "give the unit a --join of other members by hand, then plan again";
}
