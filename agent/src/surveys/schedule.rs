//! When surveys run, and what of them may be told. Pure: the moment is given, as the time of
//! [`crate::host::Clock::elapsed`].
//!
//! One runs at a time. The same one is renewed not before ten times its last length after its last end; for a
//! caller that cannot use the last result at all, a step that has begun since, not before twice its length: so a
//! host is never busy with surveys for more than a third of its time, and an operation that needs one at each of its
//! steps does not wait ten times as long as it reads. Those that are wanted wait in a queue, so that none is
//! overtaken for ever. A result is kept with the moment at which it
//! began: only that says how old it is.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bellows_proto::{
    digest,
    v1::{Answer, Fault, Query},
};

/// Between two runs of a survey there is so many times the length of the last one.
pub const INTERVAL: u32 = 10;
/// The same where somebody waits who cannot use the last result.
pub const PAUSE: u32 = 2;
/// So many different surveys are known; of more the one that nobody asked for the longest time goes.
pub const KNOWN: usize = 64;
/// A failure is told for so long to those who accept a reading of its time, beyond those who waited: a caller
/// that asks again may just not be there.
pub const HEARD: Duration = Duration::from_secs(10);

/// A moment of the host's clock.
type Moment = Duration;

/// Which survey: the digest of its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// Of a query.
    pub fn of(query: &Query) -> Self {
        Self(digest::of(query))
    }
}

/// What whoever asks is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// The last result is young enough: it began so long ago.
    Answer(Box<Answer>, Duration),
    /// The survey that would have been young enough failed.
    Failed(Box<Fault>),
    /// Not yet: why, in words.
    Later(String),
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This survey; it counts as running until [`Schedule::ended`].
    Run(Key, Box<Query>),
    /// Nothing before so long.
    Wait(Duration),
    /// Nothing is wanted.
    Nothing,
}

#[derive(Debug)]
struct Known {
    query: Query,
    asked: Moment,
    /// Renewed not before.
    due: Moment,
    /// For whoever cannot use the last result not before.
    again: Moment,
    /// Somebody waits who cannot use the last result.
    waited_for: bool,
    /// When the last result began, and the result.
    last: Option<(Moment, Answer)>,
    /// When the last run began and ended, where it failed.
    failed: Option<(Moment, Moment, Fault)>,
}

impl Known {
    /// When it may run next.
    fn next(&self) -> Moment {
        if self.waited_for { self.again } else { self.due }
    }
}

/// The surveys of a host.
#[derive(Debug, Default)]
pub struct Schedule {
    known: BTreeMap<Key, Known>,
    wanted: VecDeque<Key>,
    running: Option<(Key, Moment)>,
}

impl Schedule {
    /// Asks for a reading that began at `since` or later. Where there is none it is wanted from now on; where
    /// there is one that is due again it is renewed, so that whoever goes on asking sees it move.
    pub fn ask(&mut self, key: Key, query: &Query, since: Moment, now: Moment) -> Told {
        if !self.known.contains_key(&key) && !self.make_room(now) {
            return Told::Later(format!("{KNOWN} other surveys are under way or not due yet"));
        }
        let known = self.known.entry(key).or_insert_with(|| Known {
            query: query.clone(),
            asked: now,
            due: Moment::ZERO,
            again: Moment::ZERO,
            waited_for: false,
            last: None,
            failed: None,
        });
        known.asked = now;
        let told = match (&known.last, &known.failed) {
            (Some((began, answer)), _) if *began >= since => {
                Told::Answer(Box::new(answer.clone()), now.saturating_sub(*began))
            }
            (_, Some((began, ended, fault))) if *began >= since && now < *ended + HEARD => {
                Told::Failed(Box::new(fault.clone()))
            }
            _ => Told::Later(String::new()),
        };
        let renewed = known.due <= now;
        let running = self.running.filter(|(runs, _)| *runs == key).map(|(_, began)| began);
        match told {
            Told::Answer(..) if renewed && running.is_none() => self.want(key),
            Told::Answer(..) | Told::Failed(_) => {}
            Told::Later(_) => {
                known.waited_for = true;
                // One that runs and is too old already is wanted once more, behind the others.
                if running.is_none_or(|began| began < since) {
                    self.want(key);
                }
                return Told::Later(self.why(key, now));
            }
        }
        told
    }

    fn want(&mut self, key: Key) {
        if !self.wanted.contains(&key) {
            self.wanted.push_back(key);
        }
    }

    /// Why there is no answer yet.
    fn why(&self, key: Key, now: Moment) -> String {
        let seconds = |moment: Moment| now.saturating_sub(moment).as_secs();
        let known = self.known.get(&key);
        let due = known.map_or(Moment::ZERO, Known::next);
        let mut text = match self.running {
            Some((runs, began)) if runs == key => {
                format!("a survey is under way since {} s", seconds(began))
            }
            _ if due > now => {
                format!("the next survey is due in {} s", (due - now).as_secs().max(1))
            }
            Some((_, began)) => {
                format!(
                    "another survey is under way since {} s, and this one waits for it",
                    seconds(began)
                )
            }
            None => "a survey is about to begin".to_owned(),
        };
        match known.and_then(|known| known.last.as_ref()) {
            Some((began, _)) => {
                text.push_str(&format!("; the last one began {} s ago", seconds(*began)))
            }
            None => text.push_str("; there is no earlier one"),
        }
        if let Some((_, ended, fault)) = known.and_then(|known| known.failed.as_ref()) {
            text.push_str(&format!(
                "; the last try failed {} s ago: {}",
                seconds(*ended),
                fault.message
            ));
        }
        text
    }

    /// Room for one more: one that runs or is not due yet stays, or it could run more often than it may.
    fn make_room(&mut self, now: Moment) -> bool {
        if self.known.len() < KNOWN {
            return true;
        }
        let runs = self.running.map(|(runs, _)| runs);
        let may_go =
            self.known.iter().filter(|(key, known)| Some(**key) != runs && known.due <= now);
        let Some(key) = may_go.min_by_key(|(_, known)| known.asked).map(|(key, _)| *key) else {
            return false;
        };
        self.known.remove(&key);
        self.wanted.retain(|wanted| *wanted != key);
        true
    }

    /// What is to be done now. While one runs: nothing.
    pub fn next(&mut self, now: Moment) -> Next {
        if self.running.is_some() {
            return Next::Nothing;
        }
        let due = |key: &Key| self.known.get(key).map_or(Moment::ZERO, Known::next);
        if let Some(place) = self.wanted.iter().position(|key| due(key) <= now)
            && let Some(key) = self.wanted.remove(place)
            && let Some(known) = self.known.get(&key)
        {
            self.running = Some((key, now));
            return Next::Run(key, Box::new(known.query.clone()));
        }
        let first = self.wanted.iter().map(due).min();
        first.map_or(Next::Nothing, |due| Next::Wait(due.saturating_sub(now)))
    }

    /// The one that runs has ended. A failure takes nothing away: the last result is as old as it is.
    pub fn ended(&mut self, outcome: Result<Answer, Fault>, now: Moment) {
        let Some((key, began)) = self.running.take() else { return };
        let Some(known) = self.known.get_mut(&key) else { return };
        let length = now.saturating_sub(began);
        (known.due, known.again) = (now + length * INTERVAL, now + length * PAUSE);
        known.waited_for = false;
        match outcome {
            Ok(answer) => (known.last, known.failed) = (Some((began, answer)), None),
            Err(fault) => known.failed = Some((began, now, fault)),
        }
    }
}

#[cfg(test)]
mod tests;
