//! Verbs that move the primary's role or restart servers, on real hosts: somebody is struck in the
//! middle. What is struck, when, and how it must end is data; [`play()`] plays it.
//!
//! The rule of all of them: there are never two primaries, and no acknowledged row is lost. A standby
//! is only promoted when it is proven that it has all that the old primary wrote; where that cannot
//! be proven the operation is held, and taking it back gives the old primary back with all its rows.

mod play;

pub use play::play;

use super::{
    point::{
        End::{self, ByItself, Held, MayHold},
        Remedy::Undo,
    },
    special::ANY,
    trap::Trick::{self, HoldAfter, HoldBefore},
};

/// What Bellows is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// To the first standby in natural order.
    Switchover,
    /// The primary gives way to a new node on the free host.
    ReplacePrimary,
    /// Of all servers.
    Restart,
    /// Of all servers, and the primary stays primary.
    RestartInPlace,
}

/// A member by what it is when the operation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The primary.
    Old,
    /// The standby that takes over: the first one in natural order.
    Next,
    /// Another standby.
    Other,
}
use Who::{Next, Old, Other};

/// The tool that is held until the blow has fallen: the first run of it with these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(Who, &'static str, &'static [&'static str], Trick);

/// Whom it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// The postmaster; the tool goes on at once.
    Server(Who),
    /// The postmaster; the tool goes on when systemd has started it again.
    ServerAndBack(Who),
    /// The primary's postmaster; the tool goes on when its standbys stream from it again. One that is
    /// stopped before that has rows which nobody else has, and the operation must be taken back.
    ServerAndStandbys(Who),
    /// The postmaster, in its stop, with rows that nobody else has.
    ServerAsItStops(Who),
    /// All of the host at once; it is switched on again when the operation is held.
    Power(Who),
    /// `bellows serve`.
    Coordinator,
    /// `bellows serve` and an agent.
    CoordinatorAndAgent(Who),
}

/// A blow and its end.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    /// Its name in the table.
    pub name: &'static str,
    verb: Verb,
    at: At,
    blow: Blow,
    end: End,
}

const CHECKPOINT: At = At(Old, "psql", &["checkpoint"], HoldBefore);
const STOP: At = At(Old, "psql", &["checkpoint"], HoldAfter);
const PROMOTE: At = At(Next, "repmgr", &["standby", "promote"], HoldBefore);
const PROMOTED: At = At(Next, "repmgr", &["standby", "promote"], HoldAfter);
const FOLLOW: At = At(Other, "repmgr", &["standby", "follow"], HoldBefore);
const REGISTER: At = At(Old, "repmgr", &["standby", "register"], HoldBefore);
const START: At = At(Old, "postgres", &["-D"], HoldBefore);
const START_NEXT: At = At(Next, "postgres", &["-D"], HoldBefore);

/// What was not shut down in order cannot be proven: only the way back is left.
const BACK: End = Held(ANY, &["not shut down in order"], Undo);

const fn point(name: &'static str, verb: Verb, at: At, blow: Blow, end: End) -> Move {
    Move { name, verb, at, blow, end }
}

/// Each leaves the cluster whole, for the next one.
pub const POINTS: &[Move] = &[
    point(
        "switchover: server of the primary before its stop, and back",
        Verb::Switchover,
        CHECKPOINT,
        Blow::ServerAndStandbys(Old),
        MayHold(ANY),
    ),
    point(
        "switchover: server of the primary just before its stop",
        Verb::Switchover,
        STOP,
        Blow::Server(Old),
        BACK,
    ),
    point(
        "switchover: server of the primary as it stops, with rows that nobody else has",
        Verb::Switchover,
        STOP,
        Blow::ServerAsItStops(Old),
        BACK,
    ),
    point(
        "switchover: coordinator and agent of the next primary before the promotion",
        Verb::Switchover,
        PROMOTE,
        Blow::CoordinatorAndAgent(Next),
        ByItself,
    ),
    point(
        "switchover: server of the next primary before the promotion",
        Verb::Switchover,
        PROMOTE,
        Blow::ServerAndBack(Next),
        MayHold(ANY),
    ),
    point(
        "switchover: coordinator and agent of the new primary, promoted and not told",
        Verb::Switchover,
        PROMOTED,
        Blow::CoordinatorAndAgent(Next),
        ByItself,
    ),
    point(
        "switchover: server of the new primary, just promoted",
        Verb::Switchover,
        PROMOTED,
        Blow::ServerAndBack(Next),
        MayHold(ANY),
    ),
    point(
        "switchover: server of another standby as it is to follow",
        Verb::Switchover,
        FOLLOW,
        Blow::ServerAndBack(Other),
        MayHold(ANY),
    ),
    point(
        "switchover: server of the former primary as it comes back",
        Verb::Switchover,
        REGISTER,
        Blow::ServerAndBack(Old),
        MayHold(ANY),
    ),
    point(
        "switchover: power of the primary's host before its stop",
        Verb::Switchover,
        CHECKPOINT,
        Blow::Power(Old),
        MayHold(ANY),
    ),
    point(
        "switchover: power of the former primary's host before the promotion",
        Verb::Switchover,
        PROMOTE,
        Blow::Power(Old),
        MayHold(ANY),
    ),
    point(
        "switchover: power of the new primary's host, just promoted",
        Verb::Switchover,
        PROMOTED,
        Blow::Power(Next),
        MayHold(ANY),
    ),
    point(
        "restart: first start of a standby's server",
        Verb::Restart,
        START_NEXT,
        Blow::Server(Next),
        MayHold(ANY),
    ),
    point(
        "restart: server of the primary just before its stop",
        Verb::Restart,
        STOP,
        Blow::Server(Old),
        BACK,
    ),
    point(
        "restart: coordinator, promoted and not told",
        Verb::Restart,
        PROMOTED,
        Blow::Coordinator,
        ByItself,
    ),
    point(
        "restart in place: first start of the primary's server",
        Verb::RestartInPlace,
        START,
        Blow::Server(Old),
        MayHold(ANY),
    ),
    point(
        "restart in place: power of the primary's host at its start",
        Verb::RestartInPlace,
        START,
        Blow::Power(Old),
        MayHold(ANY),
    ),
    point(
        "replace of the primary: its server just before its stop",
        Verb::ReplacePrimary,
        STOP,
        Blow::Server(Old),
        BACK,
    ),
    point(
        "replace of the primary: server of the new one, just promoted",
        Verb::ReplacePrimary,
        PROMOTED,
        Blow::ServerAndBack(Next),
        MayHold(ANY),
    ),
];
