//! The end of an operation's maintenance window: it is paused at the next safe point, as if somebody had
//! asked for it. A going back is not paused: it ends what the window was for.

use bellows_proto::v1::{Control, ControlKind, Plan, Resumed, event::Kind};

use super::{
    World,
    ports::Clock,
    run::{Run, Stop},
    state::{Mode, OperationState},
};
use crate::plan;

/// When the plan's window ends that is open now; 0: it has none, or it is not open.
pub(super) fn closes_at_ms<C: Clock>(clock: &C, plan: &Plan) -> i64 {
    let now_ms = clock.now_ms();
    let window = plan.window.as_ref();
    window.and_then(|w| plan::closes_at_ms(w, now_ms, |at| clock.utc_offset_s(at))).unwrap_or(0)
}

/// Whether the operation is to be paused because of its window.
fn is_over(state: &OperationState, now_ms: i64) -> bool {
    state.closes_at_ms != 0
        && now_ms >= state.closes_at_ms
        && state.mode == Mode::Forward
        && state.wish.is_none()
        && state.parked().is_none()
}

impl<W: World> Run<W> {
    /// Writes down that a pause is wanted, once the window is over.
    pub(super) fn close_window(&self) -> Result<(), Stop> {
        let now_ms = self.world.clock().now_ms();
        if !self.look(|state| is_over(state, now_ms)) {
            return Ok(());
        }
        let window = self.look(|state| state.plan.window).unwrap_or_default();
        let principal = format!("Bellows, at the end of the window {window}");
        let kind = ControlKind::Pause.into();
        let control = Control { kind, principal, window: true, ..Control::default() };
        match self.record_unless_wished(Kind::Control(control)) {
            Ok(()) | Err(Stop::Wish) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// What is journalled when an operation goes on because somebody wants it: within its window until
    /// its end, outside of it without one.
    pub(super) fn resumed(&self) -> Resumed {
        let plan = self.look(|state| std::sync::Arc::clone(&state.plan));
        let closes_at_ms = closes_at_ms(self.world.clock(), &plan);
        let text = match &plan.window {
            Some(window) if closes_at_ms == 0 => {
                format!("outside of its window {window}: it goes on without one")
            }
            Some(window) => format!("within its window {window}"),
            None => String::new(),
        };
        Resumed { text, closes_at_ms }
    }
}
