//! The kill points of processes, as data. Host 0 has the primary, host 1 its standby; host 2 is
//! where the third node comes and goes (for `create`: host 1 has the standby that is made).

use bellows_proto::v1::HoldCause;

use super::{
    point::{
        End::{ByItself, Held, MayHold},
        Moment::{After, Before, Copying, Done},
        Point,
        Remedy::{Retry, Undo},
        Seen::{
            Accepted, ActStarted, Fenced, Rested, StepStarted, StepSucceeded, StepUndone,
            UndoStarted,
        },
        Verb::{self, Create, Expand, Shrink},
        Victim::{
            Agent, AgentTwice, Coordinator, CoordinatorAndAgent, Copy, Repmgrd, Server,
            ServerRestart, Shim, ShimOfCopy, Tool, WholeHost,
        },
    },
    trap::Run,
};

const fn run(host: usize, tool: &'static str, words: &'static [&'static str]) -> Run {
    Run { host, tool, words }
}

const INITDB: Run = run(0, "initdb", &["--pgdata"]);
const ROLES: Run = run(0, "psql", &["create", "repmgr"]);
const PRIMARY: Run = run(0, "repmgr", &["primary", "register"]);
const FIRST_CLONE: Run = run(1, "repmgr", &["standby", "clone"]);
const CLONE: Run = run(2, "repmgr", &["standby", "clone"]);
const COPY: Run = run(2, "pg_basebackup", &["-D"]);
const SERVER: Run = run(2, "postgres", &["-D"]);
const REGISTER: Run = run(2, "repmgr", &["standby", "register"]);
const UNREGISTER: Run = run(0, "repmgr", &["standby", "unregister"]);
const DROP_SLOT: Run = run(0, "psql", &["pg_drop_replication_slot"]);

/// Causes of a job that died.
const FAILED: &[HoldCause] = &[HoldCause::Failed];
/// Causes of a server that is away for some seconds.
const AWAY: &[HoldCause] = &[HoldCause::Failed, HoldCause::Unknown, HoldCause::Drift];

const fn point(name: &'static str, verb: Verb, moment: super::point::Moment) -> Point {
    Point { name, verb, cancel: None, moment, victim: Coordinator, end: ByItself }
}

const fn strikes(point: Point, victim: super::point::Victim) -> Point {
    Point { victim, ..point }
}

const fn ends(point: Point, end: super::point::End) -> Point {
    Point { end, ..point }
}

const fn cancelled(point: Point, cancel: super::point::Moment) -> Point {
    Point { cancel: Some(cancel), ..point }
}

/// On an empty site; all but the last are taken back.
pub const CREATE: &[Point] = &[
    cancelled(
        point("coordinator as a cancelled create turns back", Create, After(UndoStarted, "")),
        Before(ROLES),
    ),
    ends(
        strikes(point("initdb, before it does anything", Create, Before(INITDB)), Tool),
        Held(FAILED, &["initdb", "signal"], Undo),
    ),
    ends(
        strikes(point("shim of initdb, when all is made", Create, Done(INITDB)), Shim),
        MayHold(FAILED),
    ),
];

/// On the next empty site: one create each.
pub const CREATE_MORE: &[Point] = &[
    cancelled(
        strikes(
            point("agent of the standby as the create goes back", Create, After(StepUndone, "")),
            Agent(1),
        ),
        Before(FIRST_CLONE),
    ),
    ends(
        strikes(
            point("shim of primary register, when it is registered", Create, Done(PRIMARY)),
            Shim,
        ),
        MayHold(FAILED),
    ),
];

/// Coordinator, at events of the journal.
pub const EXPAND_COORDINATOR: &[Point] = &[
    point("coordinator, just accepted", Expand, After(Accepted, "")),
    point("coordinator, fences planted", Expand, After(Fenced, "")),
    point(
        "coordinator, claim journalled and not yet asked for",
        Expand,
        After(ActStarted, "claim the place"),
    ),
    point("coordinator, rules of the standby journalled", Expand, After(ActStarted, "on h2")),
    point("coordinator, copy half-way", Expand, Copying),
    point("coordinator, registered and not yet told", Expand, Done(REGISTER)),
    point("coordinator, repmgrd started", Expand, After(StepSucceeded, "start repmgrd")),
    point(
        "coordinator, wait for everybody begins",
        Expand,
        After(StepStarted, "until every member"),
    ),
    point("coordinator, at rest and agents not yet told", Expand, After(Rested, "")),
];

/// Agents.
pub const EXPAND_AGENT: &[Point] = &[
    strikes(
        point("agent of the new host, at its start and again", Expand, Before(CLONE)),
        AgentTwice(2),
    ),
    strikes(point("agent of the new host, copy half-way", Expand, Copying), Agent(2)),
    strikes(
        point("agent of the standby, its rules journalled", Expand, After(ActStarted, "on h2")),
        AgentTwice(1),
    ),
    strikes(
        point("coordinator and agent of the new host, in the clone", Expand, Before(COPY)),
        CoordinatorAndAgent(2),
    ),
    strikes(
        point(
            "agent of the primary, wait for the stream begins",
            Expand,
            After(StepStarted, "streams from"),
        ),
        Agent(0),
    ),
    strikes(
        point("agent of the new host, registered and not told", Expand, Done(REGISTER)),
        Agent(2),
    ),
];

/// Shims and tools.
pub const EXPAND_TOOL: &[Point] = &[
    ends(
        strikes(point("shim, before repmgr clones", Expand, Before(CLONE)), Shim),
        Held(FAILED, &["lost", "ended", "no exit"], Retry),
    ),
    ends(
        strikes(point("shim, copy half-way", Expand, Copying), ShimOfCopy(2)),
        Held(FAILED, &["lost", "ended", "no exit"], Retry),
    ),
    ends(
        strikes(point("repmgr, before it clones", Expand, Before(CLONE)), Tool),
        Held(FAILED, &["signal", "repmgr"], Retry),
    ),
    ends(
        strikes(point("pg_basebackup, copy half-way", Expand, Copying), Copy(2)),
        Held(FAILED, &["repmgr", "pg_basebackup"], Undo),
    ),
    strikes(point("repmgr, clone made and not told", Expand, Done(CLONE)), Tool),
    strikes(point("repmgr, registered and not told", Expand, Done(REGISTER)), Tool),
    ends(
        strikes(point("repmgr, before it registers", Expand, Before(REGISTER)), Tool),
        Held(FAILED, &["signal", "repmgr"], Retry),
    ),
    ends(
        strikes(point("the new server's first start", Expand, Before(SERVER)), Tool),
        Held(FAILED, &["server", "service"], Retry),
    ),
    ends(
        strikes(
            point("agent, shim and tool at once, in the copy", Expand, Before(COPY)),
            WholeHost(2),
        ),
        Held(FAILED, &["lost", "ended", "no exit"], Retry),
    ),
];

/// PostgreSQL itself.
pub const EXPAND_SERVER: &[Point] = &[
    ends(
        strikes(
            point("postmaster of the primary, before the copy", Expand, Before(COPY)),
            Server(0),
        ),
        MayHold(AWAY),
    ),
    ends(
        strikes(point("postmaster of the primary, copy half-way", Expand, Copying), Server(0)),
        MayHold(AWAY),
    ),
    ends(
        strikes(point("postmaster of the standby, in the clone", Expand, Before(COPY)), Server(1)),
        MayHold(AWAY),
    ),
    ends(
        strikes(
            point("postmaster of the new node, before it is registered", Expand, Before(REGISTER)),
            Server(2),
        ),
        MayHold(AWAY),
    ),
    ends(
        strikes(point("repmgrd of the standby, in the clone", Expand, Before(COPY)), Repmgrd(1)),
        MayHold(AWAY),
    ),
    ends(
        strikes(
            point("primary restarted in good order, before the copy", Expand, Before(COPY)),
            ServerRestart(0),
        ),
        MayHold(AWAY),
    ),
];

/// The third node leaves.
pub const SHRINK: &[Point] = &[
    point(
        "coordinator, stop of repmgrd journalled",
        Shrink,
        After(ActStarted, "stop and disable repmgrd"),
    ),
    strikes(
        point(
            "agent of the leaving host, its server is to stop",
            Shrink,
            After(ActStarted, "stop and disable the server"),
        ),
        Agent(2),
    ),
    point("coordinator, unregistered and not told", Shrink, Done(UNREGISTER)),
    ends(
        strikes(point("repmgr, before it unregisters", Shrink, Before(UNREGISTER)), Tool),
        Held(FAILED, &["signal", "repmgr"], Retry),
    ),
    ends(
        strikes(point("shim, before the slot is dropped", Shrink, Before(DROP_SLOT)), Shim),
        Held(FAILED, &["lost", "ended", "no exit"], Retry),
    ),
    strikes(
        point("agent of the primary, slot dropped and not told", Shrink, Done(DROP_SLOT)),
        Agent(0),
    ),
    ends(
        strikes(
            point("repmgr, before it unregisters, then undone", Shrink, Before(UNREGISTER)),
            Tool,
        ),
        Held(FAILED, &["signal", "repmgr"], Undo),
    ),
    point(
        "coordinator, past the point of no return",
        Shrink,
        After(StepSucceeded, "drop the slot"),
    ),
    ends(
        strikes(
            point(
                "postmaster of the primary, before the slot is dropped",
                Shrink,
                Before(DROP_SLOT),
            ),
            Server(0),
        ),
        MayHold(AWAY),
    ),
];

/// Expands that are cancelled, and struck on their way back.
pub const CANCEL: &[Point] = &[
    cancelled(
        point("coordinator, cancel in the copy is just accepted", Expand, After(UndoStarted, "")),
        Before(COPY),
    ),
    cancelled(
        point("coordinator, first step is taken back", Expand, After(StepUndone, "")),
        Before(REGISTER),
    ),
    cancelled(
        strikes(
            point("agent of the primary, slot dropped on the way back", Expand, Done(DROP_SLOT)),
            Agent(0),
        ),
        Before(REGISTER),
    ),
    cancelled(
        strikes(
            point("agent of the new host, cancel in the copy", Expand, After(UndoStarted, "")),
            AgentTwice(2),
        ),
        Copying,
    ),
    cancelled(
        ends(
            strikes(
                point(
                    "shim, before the slot is dropped on the way back",
                    Expand,
                    Before(DROP_SLOT),
                ),
                Shim,
            ),
            MayHold(FAILED),
        ),
        Before(REGISTER),
    ),
    cancelled(
        point("coordinator, a cancelled shrink is taken back", Shrink, After(UndoStarted, "")),
        Before(UNREGISTER),
    ),
];
