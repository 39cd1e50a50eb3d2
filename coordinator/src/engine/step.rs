//! Steps: checks, waits, acts and groups; and taking steps back.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bellows_proto::{
    defect::{Defect, is_seeded},
    v1::{
        Act, Check, Group, HoldCause, Progress, Step, StepFailed, StepStarted, StepSucceeded,
        StepUndone, Wait, event::Kind, step,
    },
};
use futures::{StreamExt as _, stream::FuturesUnordered};

use super::{
    World,
    act::Way,
    index, observe,
    ports::{Clock as _, Verdict},
    rate::Meter,
    run::{Failure, PATIENCE, Run, Stop, failed},
    state::{ActStatus, StepStatus},
};

/// Pause between the readings of a wait that names none.
const READING_INTERVAL: Duration = Duration::from_secs(1);

/// What a proven step leaves in its event.
#[derive(Default)]
struct Proof {
    text: String,
    reading: Option<Progress>,
}

impl<W: World> Run<W> {
    /// Works at a top-level step until it is proven.
    pub(super) async fn top_step(&self, number: u32) -> Result<(), Stop> {
        let plan = self.look(|state| Arc::clone(&state.plan));
        let step = index::step(&plan, number)
            .ok_or_else(|| failed(HoldCause::Failed, format!("there is no step {number}")))?;
        self.one_step(step).await
    }

    async fn one_step(&self, step: &Step) -> Result<(), Stop> {
        let number = step.number;
        match self.look(|state| state.steps.get(&number).copied()) {
            Some(StepStatus::Succeeded | StepStatus::Skipped) => return Ok(()),
            Some(StepStatus::Pending | StepStatus::Failed) => {
                self.close_window()?;
                self.record_unless_wished(Kind::StepStarted(StepStarted { step: number }))?;
            }
            Some(StepStatus::Started | StepStatus::Undone) | None => {}
        }
        match self.work(step).await {
            Ok(proof) => self.record(Kind::StepSucceeded(StepSucceeded {
                step: number,
                text: proof.text,
                spec_version: 0,
                final_reading: proof.reading,
            })),
            Err(Stop::Failed(failure)) => {
                let Failure { cause, text, .. } = (*failure).clone();
                let event = StepFailed { step: number, cause: cause.into(), text };
                self.record(Kind::StepFailed(event))?;
                Err(Stop::Failed(failure))
            }
            Err(stop) => Err(stop),
        }
    }

    async fn work(&self, step: &Step) -> Result<Proof, Stop> {
        match &step.kind {
            Some(step::Kind::Check(check)) => self.check(step.number, check).await,
            Some(step::Kind::Act(act)) => {
                self.act(step.number, act, Way::Forward).await.map(|()| Proof::default())
            }
            Some(step::Kind::Wait(wait)) => self.wait(step.number, wait).await,
            Some(step::Kind::Group(group)) => self.group(step.number, group).await,
            None => Err(failed(HoldCause::Failed, "the step is empty")),
        }
    }

    async fn check(&self, number: u32, check: &Check) -> Result<Proof, Stop> {
        self.holding(number, &check.conditions, Way::Forward).await.map(|_| Proof::default())
    }

    /// Reads a number until it has reached its goal; says so when it does not move, and goes
    /// on reading.
    async fn wait(&self, number: u32, wait: &Wait) -> Result<Proof, Stop> {
        let stall = Duration::from_millis(wait.stall_ms);
        let interval = match wait.interval_ms {
            0 => READING_INTERVAL,
            ms => Duration::from_millis(ms),
        };
        let mut meter = Meter::default();
        let plan = self.look(|state| Arc::clone(&state.plan));
        let readings = self.readings_of(number, wait.conditions.iter().chain(&plan.invariants));
        loop {
            self.close_window()?;
            self.stop_if_turned()?;
            let observation = self.observe(readings).await?;
            self.hold_invariants(&observation, PATIENCE)?;
            let now = self.world.clock().now_ms();
            let reason = match observe::all(self.world.systems(), &wait.conditions, &observation) {
                Verdict::Holds if self.invariants(&observation) == Verdict::Holds => {
                    self.moves_again(number)?;
                    return Ok(Proof { reading: meter.last(), ..Proof::default() });
                }
                Verdict::Holds => {
                    meter.read(now, None);
                    "reached, but not every member can be read".to_owned()
                }
                Verdict::Refused(reason) => return Err(failed(HoldCause::Failed, reason)),
                Verdict::NotYet { reason, progress } => {
                    meter.read(now, progress.as_ref());
                    reason
                }
                Verdict::Unknown(reason) => {
                    meter.read(now, None);
                    format!("cannot be read: {reason}")
                }
            };
            self.show(meter.show(now, number, &reason));
            if !stall.is_zero() && meter.still(now) >= stall {
                let still = meter.still(now).as_secs();
                self.stalls(number, format!("nothing has moved for {still} s: {reason}"))?;
            } else {
                self.moves_again(number)?;
            }
            self.pause(interval).await;
        }
    }

    /// Members side by side, up to the limit. At the first failure what has not started does
    /// not start, what runs finishes; then the group fails.
    async fn group(&self, number: u32, group: &Group) -> Result<Proof, Stop> {
        let begun = self.look(|state| {
            group.members.iter().any(|member| {
                state.acts.values().any(|act| act.step == member.number && act.reached > 0)
            })
        });
        if !begun {
            self.check(number, &Check { conditions: demands(group) }).await?;
        }
        let limit = usize::try_from(group.limit).unwrap_or(1).max(1);
        let mut waiting: VecDeque<&Step> = group.members.iter().collect();
        let mut running = FuturesUnordered::new();
        let mut first: Option<Stop> = None;
        loop {
            while first.is_none() && running.len() < limit {
                let Some(member) = waiting.pop_front() else { break };
                running.push(self.one_step(member));
            }
            match running.next().await {
                None => break,
                Some(Ok(())) => {}
                Some(Err(stop @ (Stop::Journal(_) | Stop::Stale(_)))) => return Err(stop),
                Some(Err(stop)) => first = Some(worse(first, stop)),
            }
        }
        match first {
            None => Ok(Proof { text: format!("group {number}: all members"), reading: None }),
            Some(stop) => Err(stop),
        }
    }

    /// Takes one step back: the act's undo, backwards and idempotent, then the spec change.
    pub(super) async fn undo_step(&self, number: u32) -> Result<(), Stop> {
        let plan = self.look(|state| Arc::clone(&state.plan));
        let step = index::step(&plan, number);
        let begun = self.look(|state| state.steps.get(&number) != Some(&StepStatus::Succeeded));
        if let Some(act) = step.and_then(index::act)
            && !(begun && is_seeded(Defect::UndoMissesLastStep))
        {
            self.undo_started(act).await?;
        }
        let text = step.map(|step| step.title.clone()).unwrap_or_default();
        self.record(Kind::StepUndone(StepUndone { step: number, text, spec_version: 0 }))
    }

    async fn undo_started(&self, act: &Act) -> Result<(), Stop> {
        let known = self.look(|state| state.acts.get(&act.number).cloned());
        let Some(known) = known else { return Ok(()) };
        if known.status == ActStatus::Started || known.status.is_unknown() {
            // A crash, or a cancel that nobody could answer: bring it to its end first. How it
            // ended does not matter here, as long as it is known.
            match self.act_to_its_end(&known).await {
                // What it was about to be judged by is not there yet, and something else is wanted first.
                Err(Stop::Wish) if self.look(|state| state.wish.is_some()) => {
                    return Err(Stop::Wish);
                }
                Ok(()) | Err(Stop::Wish) => {}
                Err(Stop::Failed(failure)) if failure.cause != HoldCause::Unknown => {}
                Err(stop) => return Err(stop),
            }
        }
        match self.look(|state| state.acts.get(&act.number).cloned()) {
            Some(known) if known.status == ActStatus::Started || known.status.is_unknown() => {
                let text = format!(
                    "nobody knows whether {} on host {} had its effect; taking it back blindly \
                     is not safe",
                    known.act.summary, known.act.host
                );
                Err(failed(HoldCause::Unknown, text))
            }
            Some(known) if known.reached > 0 => self.undo_act(&known).await,
            Some(_) | None => Ok(()),
        }
    }
}

/// All that must hold before any member starts: the group's summed demands and each member's.
fn demands(group: &Group) -> Vec<bellows_proto::v1::Condition> {
    let own = group.members.iter().filter_map(index::act).flat_map(|act| act.requires.clone());
    group.checks.iter().cloned().chain(own).collect()
}

/// A failure outweighs a wish: the wish is still there when the loop decides.
fn worse(first: Option<Stop>, second: Stop) -> Stop {
    match first {
        Some(first @ Stop::Failed(_)) => first,
        Some(_) | None => second,
    }
}
