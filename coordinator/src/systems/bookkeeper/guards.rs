//! The guards: numbered rules that must hold before anything is planned. This file is the list
//! of them, each with its reason; the modules below look at a cluster with them. A guard that
//! cannot be judged refuses too. Numbers never change their meaning.

mod adopting;
mod cluster;
mod departing;
mod judge;
mod leaving_by;
mod newcomers;
mod placing;
mod replacing;
mod soft;

use super::view::View;
use crate::plan;

pub(super) use adopting::Adopting;
pub(super) use departing::{Leaving, shrink};
pub(super) use judge::{Expanding, adopt, expand};
pub(super) use newcomers::{NEEDED_BYTES, obstacles};
pub(super) use replacing::{Replacing, reconfigure, replace};
pub(super) use soft::accepted_with_a_reason;

/// Everything that said no so far.
type Findings<'a> = plan::Findings<'a, View<'a>, Rule>;

plan::rules! {
    ValidIntent = "BK-01", "valid intent",
        "What nobody can read, nobody may act on.",
        "correct the command; see bellows help";
    HostsAnswer = "BK-02", "hosts answer",
        "A host that is silent now would be silent in the middle.",
        "enrol the host, or start its agent: systemctl start bellows-agent; see bellows host list";
    EverythingRead = "BK-03", "everything needed was read",
        "No answer is no answer: what could not be read is never taken for good.",
        "mend what is named, then plan again";
    ClusterKnown = "BK-04", "cluster known",
        "A cluster is taken into care once, and changed only where it is known.",
        "see bellows cluster list";
    NotOurs = "BK-05", "what Bellows does for BookKeeper",
        "Bookies and their ZooKeeper run already, and all bookies are alike: there is nothing to make and no role to move.",
        "set the cluster up by hand, then: bellows cluster adopt; a bookie that has left comes back as a new one: bellows expand";
    AllowedOnHost = "BK-06", "allowed on the host",
        "What may run on a host, its owner has written down there.",
        "the host's administrator changes agent.toml: [systems.bookkeeper], mode = \"manage\"";
    ToolsThere = "BK-07", "BookKeeper is installed",
        "A bookie is made of the program that the administrator has put there.",
        "install BookKeeper on the host, the same version as the cluster's, and name it in agent.toml: [systems.bookkeeper] program";
    ClocksAgree = "BK-08", "clocks agree within 2 s",
        "Logs, audits and budgets by the hour are compared between hosts.",
        "let chrony or systemd-timesyncd set the clock of the host";
    SameVersions = "BK-09", "equal versions",
        "A bookie of another version may not read what the others write.",
        "install the same version on all hosts; end an upgrade that is under way";
    MembersHealthy = "BK-10", "all bookies run and are writable",
        "A change puts load on a cluster and takes away slack: a cluster that ails has none.",
        "see bellows status CLUSTER --fresh, mend what is named, then plan again";
    EveryBookieKnown = "BK-11", "every bookie of the cluster is a member here",
        "A bookie that nobody looks at would be forgotten in every plan.",
        "have its host enrolled and the cluster adopted anew; if it is gone for good and holds nothing: bookkeeper shell cookie_delete ID";
    OneCluster = "BK-12", "one metadata service, one instance",
        "Bookies that do not share their metadata are no one cluster.",
        "see metadataServiceUri in each configuration and instanceId in each VERSION file";
    MetadataFast = "BK-13", "the metadata service answers in time",
        "Each ledger that moves is written to ZooKeeper: one that is slow already becomes slower for everybody.",
        "look at ZooKeeper's disks and load, and plan again when it is quiet";
    HttpOn = "BK-14", "the HTTP admin API is on",
        "What a bookie is and holds is read by its HTTP API: without it nothing can be known.",
        "have these lines in its configuration and restart it: httpServerEnabled=true, httpServerHost=127.0.0.1, httpServerPort=8080";
    FilesAsLeft = "BK-15", "managed files as Bellows left them",
        "What somebody changed by hand is not overwritten.",
        "take the change back; see bellows status CLUSTER --fresh";
    PlaceFree = "BK-16", "directories absent or empty, and the service free",
        "A bookie does not start with what another one has left in its directories, and what is there is somebody's.",
        "move what is named away by hand, or choose another host";
    PortFree = "BK-17", "ports free",
        "Two servers cannot listen on one port.",
        "stop what listens there, or choose other ports in agent.toml: [systems.bookkeeper]";
    NameFree = "BK-18", "node name not taken",
        "A name is how members, records and services are told apart.",
        "choose another node name";
    NotClaimed = "BK-19", "place not claimed",
        "A claim that is still there belongs to an operation that has not ended, or to another cluster.",
        "undo or abandon the operation that claimed it: bellows op list";
    OneNodePerHost = "BK-20", "one bookie of a cluster per host",
        "Bookies on one host are lost together: they are no redundancy.",
        "choose a host that has no bookie of this cluster";
    NoTombstone = "BK-21", "no tombstone of that name on the host",
        "A bookie that has left for good does not come back by its old name on its old host.",
        "choose another node name";
    CookieClean = "BK-22", "no cookie of its id",
        "A bookie whose cookie does not fit its directories does not start; and a cookie that is there belongs to data somewhere.",
        "if that bookie is gone for good and holds nothing: bookkeeper shell cookie_delete ID; empty its directories; then plan again";
    FreeDisk = "BK-23", "free disk",
        "A bookie whose disk is nearly full turns read-only by itself.",
        "free space under the ledger roots, or choose another host";
    HostTakesIt = "BK-24", "a host that can take a bookie",
        "A bookie is run only as root of its host allows it.",
        "mend what is named on that host, then plan again";
    ModelFound = "BK-25", "a member to take the settings from",
        "A new bookie is set up as those that are there; nothing of it is guessed.",
        "let the member that is named answer, then plan again";
    OneBookieFound = "BK-30", "a bookie to adopt on each host",
        "Which bookie is meant is not guessed.",
        "start it if it does not run; name only hosts that have a bookie of the cluster";
    Adoptable = "BK-31", "a bookie that can be read",
        "What cannot be read cannot be cared for.",
        "mend what is named, then plan again";
    DeclaredByRoot = "BK-32", "adoption allowed by the host's root",
        "What may be done with a bookie that is there, the host's root has written down there.",
        "have the lines in agent.toml on that host (root), restart the agent, then plan again";
    EveryBookieNamed = "BK-33", "every bookie's host is named",
        "A bookie that nobody looks at would be forgotten in every plan.",
        "enrol its host and name it with --host";
    IdIsAddress = "BK-34", "ids that are addresses",
        "A bookie is known by its id: one with another id than its ADDRESS:PORT cannot be told from its place.",
        "such a cluster is not cared for by Bellows";
    MinimumBookies = "BK-35", "minimum bookies",
        "With fewer bookies there is no place for the copies of the next one that fails.",
        "remove fewer bookies, or expand the cluster first";
    EnoughBookies = "BK-40", "more bookies than any ensemble",
        "With fewer nobody can write, and copies are waited for without end; with as many none may fail.",
        "expand the cluster first; delete the ledgers that are named if nobody needs them: bookkeeper shell deleteledger; or mend what clients ask for: bellows reconfigure CLUSTER --option broker=E/Qw/Qa";
    Room = "BK-41", "room for its ledgers at those who stay",
        "A bookie whose disk fills up turns read-only by itself.",
        "free space on those who stay, or expand the cluster first";
    NoSoleCopies = "BK-42", "no ledger has its only copy there",
        "What has one copy cannot be made anew once its bookie is stopped: it is waited for without end.",
        "use --option way=drain, which moves it too; or delete these ledgers";
    Autorecovers = "BK-43", "autorecovery on, with an auditor and somebody who copies",
        "Without an audit nobody knows what lacks a copy, and nobody makes new ones.",
        "switch it on: bookkeeper shell autorecovery -e; have autoRecoveryDaemonEnabled=true at bookies that stay";
    NothingLacking = "BK-44", "no ledger lacks a copy",
        "What lacks a copy may lose the last one while others move.",
        "wait until autorecovery has made them; see bookkeeper shell listunderreplicated; where only ledgers lack one that are lost with a bookie that was replaced as dead: bookkeeper shell deleteledger, or --accept BK-44=REASON";
    StateKept = "BK-45", "stays read-only over a restart",
        "A bookie that comes back writable gets new ledgers, and its last one never expires.",
        "have persistBookieStatusEnabled=true in its configuration and restart it, with 4.17.3, 4.16.8 or later; or use another way";
    TheirsToKeep = "BK-46", "what stays somebody else's",
        "Data of an adopted bookie are not Bellows' own: it does not remove them.",
        "leave data=wipe out, and empty the directories by hand afterwards";
    HoursToMove = "BK-47", "hours in which data may move",
        "With a budget of 0 at all hours nothing ever moves.",
        "give some hours a rate: bellows reconfigure CLUSTER --option budget=22:00-06:00=50MB/s";
    BudgetKept = "BK-48", "a budget that can be kept",
        "Autorecovery keeps to no rate that could change without a restart: only hours of 0 are kept.",
        "use --option way=drain; or accept it: --accept BK-48=REASON";
    DeadIsSilent = "BK-50", "a host that is named dead does not answer",
        "What answers is not dead: it would be forgotten while it runs.",
        "switch the host off, or replace the bookie without --dead";
    DeadIsGone = "BK-51", "a bookie that is named dead is registered nowhere",
        "A bookie that others see lives, whatever its agent says: it would be forgotten while it has clients.",
        "look at the host: its agent may be stopped, or the network between it and the coordinator cut; after a crash it stays registered as long as its ZooKeeper session";
    LostLedgers = "BK-52", "no ledger is lost with a dead bookie",
        "What has no other copy is gone for good when nobody brings that disk back.",
        "bring the host or its disk back; if it is gone for good: --accept BK-52=REASON";
    LostListed = "BK-53", "lost ledgers that can be listed",
        "What is agreed to is agreed to by name.",
        "bring the host or its disk back; or delete ledgers that are lost: bookkeeper shell deleteledger";
    RacksLeft = "BK-54", "racks enough for the copies",
        "Copies of an entry are to lie in different racks: with fewer racks nobody can write, or one rack has them all.",
        "expand the cluster in another rack first; or say where bookies stand: bellows reconfigure CLUSTER --option rack.NODE=/RACK; or how many racks are asked for: --option min_racks=N";
}
