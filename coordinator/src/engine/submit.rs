//! From an intent to a running operation: plan, show, plan again, compare, begin.

use bellows_proto::{
    remarks,
    v1::{
        Accepted, Event, Intent, KeyValue, OnFailure, Plan, Refusal, Spec, System, event::Kind,
        intent,
    },
    window::check,
};

use super::{
    Engine, World, compare, index,
    observe::observe_to_plan,
    ports::{BeginError, Clock as _, Journal as _, JournalError, Systems},
    state, window,
};
use crate::{
    plan::{expected_ms, window_refusal},
    spec,
};

/// Format of plans that this engine carries out.
pub const PLAN_FORMAT: u32 = 1;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Guards said no: all of them at once.
    #[error("refused by {} guards", .0.len())]
    Refused(Vec<Refusal>),
    /// The intent itself is not valid.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why an operation did not begin. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Guards say no now.
    #[error("refused by {} guards", .0.len())]
    Refused(Vec<Refusal>),
    /// What is seen now leads to another plan.
    #[error("the plan has changed: {}", .differences.join("; "))]
    Changed {
        /// One sentence each.
        differences: Vec<String>,
        /// What would be done now.
        plan_now: Box<Plan>,
    },
    /// The plan itself is not valid.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// This coordinator may not change anything.
    #[error("this coordinator is read-only: {0}")]
    ReadOnly(String),
    /// Locks, the spec version, or the journal.
    #[error(transparent)]
    Begin(#[from] BeginError),
}

impl<W: World> Engine<W> {
    /// Observes and plans. Changes nothing.
    ///
    /// # Errors
    /// With every guard that says no, or every mistake in the intent.
    pub async fn plan(&self, intent: &Intent, options: &[KeyValue]) -> Result<Plan, PlanError> {
        let spec = self.spec_for(intent)?;
        let verb = intent.word().unwrap_or_default();
        let systems = self.inner.world.systems();
        let options = systems.options(spec.system(), verb, options).map_err(PlanError::Invalid)?;
        let intent = Intent { system: spec.system, options: Some(options), ..intent.clone() };
        self.planned(&spec, &intent).await
    }

    /// Plans again what an earlier operation was for, from what is seen now, with its options, its
    /// window and what was said of it. Changes nothing.
    ///
    /// # Errors
    /// As [`Engine::plan`]; and if the plan has no intent, or its cluster is one of another system
    /// by now.
    pub async fn plan_again(&self, operation: &str, earlier: &Plan) -> Result<Plan, PlanError> {
        let invalid = |text: String| Err(PlanError::Invalid(vec![text]));
        let Some(intent) = &earlier.intent else {
            return invalid(format!("the plan of {operation} does not say what it is for"));
        };
        let spec = self.spec_for(intent)?;
        if spec.system != intent.system {
            let cluster = &intent.cluster;
            return invalid(format!("cluster {cluster} is one of another system by now"));
        }
        let plan = self.planned(&spec, intent).await?;
        let (window, remarks) = (earlier.window, earlier.remarks.clone());
        Ok(Plan { window, remarks, again: operation.to_owned(), ..plan })
    }

    async fn planned(&self, spec: &Spec, intent: &Intent) -> Result<Plan, PlanError> {
        let world = &*self.inner.world;
        let observation = observe_to_plan(world, spec, intent).await;
        let plan = world.systems().plan(spec, &observation, intent).map_err(PlanError::Refused)?;
        let now = world.clock().now_ms();
        Ok(Plan { id: self.new_id(now), site: self.inner.site.clone(), planned_at_ms: now, ..plan })
    }

    /// The spec that an intent starts from: a blank one where it makes the cluster.
    fn spec_for(&self, intent: &Intent) -> Result<Spec, PlanError> {
        let world = &*self.inner.world;
        let known = world.journal().spec(&intent.cluster)?;
        let creates = matches!(intent.verb, Some(intent::Verb::Create(_) | intent::Verb::Adopt(_)));
        let invalid = |text: String| Err(PlanError::Invalid(vec![text]));
        match (known, creates) {
            (None, false) => invalid(format!(
                "there is no cluster {}: `bellows cluster list` shows them",
                intent.cluster
            )),
            (Some(_), true) => invalid(format!("cluster {} exists already", intent.cluster)),
            (Some(spec), false) => Ok(spec),
            (None, true) if intent.system() == System::Unspecified => {
                invalid("which system? name it with --system".to_owned())
            }
            (None, true) => Ok(spec::blank(&intent.cluster, intent.system())),
        }
    }

    fn new_id(&self, now_ms: i64) -> String {
        let random = self.inner.world.clock().random();
        let mut tail = [0_u8; 10];
        tail.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        let millis = u64::try_from(now_ms).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().to_string()
    }

    /// Observes again, plans again, compares with what was shown, and begins the operation.
    /// Returns its id.
    ///
    /// # Errors
    /// If anything differs, is refused, locked or not valid; nothing was done then.
    pub async fn apply(
        &self,
        plan: Plan,
        on_failure: OnFailure,
        principal: &str,
    ) -> Result<String, ApplyError> {
        let world = &*self.inner.world;
        if let Some(reason) = self.is_read_only() {
            return Err(ApplyError::ReadOnly(reason));
        }
        let mistakes = self.mistakes(&plan);
        if !mistakes.is_empty() {
            return Err(ApplyError::Invalid(mistakes));
        }
        let intent = plan.intent.clone().unwrap_or_default();
        let known = world.journal().spec(&plan.cluster).map_err(BeginError::Journal)?;
        let spec = known.unwrap_or_else(|| spec::blank(&plan.cluster, plan.system()));
        if spec.version != plan.spec_version {
            let (planned, found) = (plan.spec_version, spec.version);
            return Err(BeginError::SpecVersion { planned, found }.into());
        }
        let observation = observe_to_plan(world, &spec, &intent).await;
        let now =
            world.systems().plan(&spec, &observation, &intent).map_err(ApplyError::Refused)?;
        let differences = compare::differences(world.systems(), &plan, &now, &observation);
        if !differences.is_empty() {
            return Err(ApplyError::Changed { differences, plan_now: Box::new(now) });
        }
        let clock = world.clock();
        let refused = plan.window.as_ref().and_then(|window| {
            let expected_ms = expected_ms(&now);
            window_refusal(window, clock.now_ms(), expected_ms, |at| clock.utc_offset_s(at))
        });
        if let Some(refusal) = refused {
            return Err(ApplyError::Refused(vec![refusal]));
        }
        self.begin(plan, on_failure, principal)
    }

    fn begin(
        &self,
        plan: Plan,
        on_failure: OnFailure,
        principal: &str,
    ) -> Result<String, ApplyError> {
        let world = &*self.inner.world;
        let at_ms = world.clock().now_ms();
        let id = self.new_id(at_ms);
        let accepted = Accepted {
            plan: Some(plan.clone()),
            on_failure: on_failure.into(),
            principal: principal.to_owned(),
            recovered: false,
            closes_at_ms: window::closes_at_ms(world.clock(), &plan),
        };
        let event = Event { sequence: 1, at_ms, kind: Some(Kind::Accepted(accepted)) };
        let state = state::begin(&event).map_err(|e| ApplyError::Invalid(vec![e.to_string()]))?;
        let begun =
            world.journal().begin(&id, &event, &plan.cluster, plan.spec_version, &plan.locks);
        if let Err(BeginError::Journal(error)) = &begun {
            // Whether it is durable is not known: recovery will tell.
            self.inner.fatal.send_replace(Some(error.clone()));
        }
        begun?;
        self.launch(id.clone(), state, None, false);
        Ok(id)
    }

    fn mistakes(&self, plan: &Plan) -> Vec<String> {
        let mut mistakes = index::mistakes(plan);
        if plan.site != self.inner.site {
            mistakes.push(format!(
                "the plan was made for site {:?}, this is {:?}",
                plan.site, self.inner.site
            ));
        }
        mistakes.extend(wrong_version(self.inner.world.systems(), plan));
        if plan.intent.is_none() {
            mistakes.push("the plan has no intent".to_owned());
        }
        if plan.intent.as_ref().is_some_and(|intent| intent.cluster != plan.cluster) {
            mistakes.push("the plan's intent is for another cluster".to_owned());
        }
        mistakes.extend(plan.window.iter().filter_map(|w| check(w).err().map(|e| e.to_string())));
        mistakes.extend(plan.remarks.iter().flat_map(remarks::mistakes));
        mistakes
    }
}

/// Why this version does not carry a plan out: its steps may mean something else now.
pub(super) fn wrong_version<S: Systems>(systems: &S, plan: &Plan) -> Option<String> {
    let revision = systems.revision(plan.system());
    let same = plan.format == PLAN_FORMAT && plan.system_revision == revision;
    (!same).then(|| {
        format!(
            "the plan has format {} and revision {}; this version carries out format \
             {PLAN_FORMAT} and revision {revision}: plan anew",
            plan.format, plan.system_revision
        )
    })
}
