//! What a step asks its hosts: what it needs, and not older than the step.

use bellows_proto::v1::{Action, Condition, Intent, Observation};

use super::{
    World,
    observe::{self, SURVEY_PAUSE, Surveys},
    ports::{Clock as _, Systems as _},
    rate::Meter,
    run::{Run, Stop},
};

/// What one wait, check or probe asks for, from its beginning to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readings {
    /// For the viewers.
    step: u32,
    surveys: Surveys,
}

impl<W: World> Run<W> {
    /// For readings without surveys.
    pub(super) fn quick(&self, step: u32) -> Readings {
        Readings { step, surveys: Surveys::Unasked }
    }

    /// For a judgement of these conditions. Where surveys are needed they must begin from now on: one serves
    /// the whole loop, and is renewed when it is due.
    pub(super) fn readings_of<'a>(
        &self,
        step: u32,
        conditions: impl IntoIterator<Item = &'a Condition>,
    ) -> Readings {
        let systems = self.world.systems();
        let needed = conditions.into_iter().any(|condition| systems.needs_surveys(condition));
        self.begun_now(step, needed)
    }

    /// For a probe of this action.
    pub(super) fn readings_to_probe(&self, step: u32, action: Option<&Action>) -> Readings {
        let systems = self.world.systems();
        self.begun_now(step, action.is_some_and(|action| systems.probe_needs_surveys(action)))
    }

    fn begun_now(&self, step: u32, needed: bool) -> Readings {
        let since = self.world.clock().elapsed();
        let surveys = if needed { Surveys::Since(since) } else { Surveys::Unasked };
        Readings { step, surveys }
    }

    /// Asks everybody, now. A survey that is not there yet is waited for, however long it takes, unless
    /// somebody asks for something: patience is for what should be there.
    pub(super) async fn observe(&self, readings: Readings) -> Result<Observation, Stop> {
        loop {
            let spec = self.spec()?;
            let plan = self.look(|state| std::sync::Arc::clone(&state.plan));
            let intent: Option<&Intent> = plan.intent.as_ref();
            let seen = observe::observe(&*self.world, &spec, intent, readings.surveys).await;
            let Some(why) = seen.surveying else { return Ok(seen.observation) };
            self.stop_if_turned()?;
            let now = self.world.clock().now_ms();
            self.show(Meter::default().show(now, readings.step, &why));
            self.pause(SURVEY_PAUSE).await;
            self.stop_if_turned()?;
        }
    }
}
