#![allow(clippy::unwrap_used, clippy::panic)]
use bellows_proto::v1::FaultCode;
use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Moment {
    Moment::from_secs(seconds)
}

fn query(number: u8) -> Query {
    use bellows_proto::v1::{HostQuery, VacancyQuery, host_query, query};
    let vacancy = VacancyQuery { system: format!("s{number}"), ..VacancyQuery::default() };
    let host = HostQuery { kind: Some(host_query::Kind::Vacancy(vacancy)) };
    Query { kind: Some(query::Kind::Host(host)) }
}

fn asked(schedule: &mut Schedule, number: u8, since: u64, now: u64) -> Told {
    let query = query(number);
    schedule.ask(Key::of(&query), &query, at(since), at(now))
}

fn why(told: Told) -> String {
    match &told {
        Told::Later(why) => why.clone(),
        Told::Answer(..) | Told::Failed(_) => panic!("{told:?}"),
    }
}

fn runs(next: Next, number: u8) {
    assert_eq!(next, Next::Run(Key::of(&query(number)), Box::new(query(number))));
}

fn age(told: Told) -> u64 {
    match &told {
        Told::Answer(_, age) => age.as_secs(),
        Told::Failed(_) | Told::Later(_) => panic!("{told:?}"),
    }
}

fn broken() -> Fault {
    Fault::new(FaultCode::ToolFailed, "no quorum")
}

#[test]
fn a_result_has_an_age_and_the_next_one_its_interval() {
    let mut schedule = Schedule::default();
    let told = why(asked(&mut schedule, 1, 100, 100));
    assert_eq!(told, "a survey is about to begin; there is no earlier one");
    runs(schedule.next(at(100)), 1);
    assert_eq!(schedule.next(at(101)), Next::Nothing, "one at a time");
    let told = why(asked(&mut schedule, 1, 100, 103));
    assert_eq!(told, "a survey is under way since 3 s; there is no earlier one");
    schedule.ended(Ok(Answer::default()), at(104));
    assert_eq!(age(asked(&mut schedule, 1, 100, 110)), 10, "it is as old as its beginning");
    assert_eq!(schedule.next(at(110)), Next::Nothing, "whoever has an answer wants no other");
    // Too old for somebody: due twice four seconds after its end.
    let told = why(asked(&mut schedule, 1, 105, 110));
    assert_eq!(told, "the next survey is due in 2 s; the last one began 10 s ago");
    assert_eq!(schedule.next(at(110)), Next::Wait(at(2)));
    runs(schedule.next(at(112)), 1);
    schedule.ended(Ok(Answer::default()), at(116));
    // Only renewed: due ten times four seconds after its end.
    assert_eq!(age(asked(&mut schedule, 1, 105, 155)), 43);
    assert_eq!(schedule.next(at(155)), Next::Nothing);
    assert_eq!(age(asked(&mut schedule, 1, 105, 156)), 44);
    runs(schedule.next(at(156)), 1);
}

#[test]
fn one_that_runs_already_does_not_count_for_who_needs_a_later_one() {
    let mut schedule = Schedule::default();
    asked(&mut schedule, 1, 0, 10);
    runs(schedule.next(at(10)), 1);
    assert!(why(asked(&mut schedule, 1, 12, 12)).starts_with("a survey is under way since 2 s"));
    schedule.ended(Ok(Answer::default()), at(13));
    assert!(why(asked(&mut schedule, 1, 12, 13)).starts_with("the next survey is due in 6 s"));
    runs(schedule.next(at(19)), 1);
    schedule.ended(Ok(Answer::default()), at(20));
    assert_eq!(age(asked(&mut schedule, 1, 12, 20)), 1);
    assert_eq!(schedule.next(at(20)), Next::Nothing);
}

#[test]
fn what_is_asked_for_again_and_again_is_renewed_when_it_is_due() {
    let mut schedule = Schedule::default();
    asked(&mut schedule, 1, 0, 10);
    runs(schedule.next(at(10)), 1);
    schedule.ended(Ok(Answer::default()), at(12));
    assert_eq!(age(asked(&mut schedule, 1, 0, 31)), 21);
    assert_eq!(schedule.next(at(31)), Next::Nothing, "not due");
    assert_eq!(age(asked(&mut schedule, 1, 0, 32)), 22);
    runs(schedule.next(at(32)), 1);
    assert_eq!(age(asked(&mut schedule, 1, 0, 33)), 23, "the old one serves meanwhile");
    schedule.ended(Ok(Answer::default()), at(34));
    assert_eq!(age(asked(&mut schedule, 1, 0, 34)), 2);
}

#[test]
fn a_failure_is_told_and_kept_as_no_result() {
    let mut schedule = Schedule::default();
    asked(&mut schedule, 1, 0, 10);
    runs(schedule.next(at(10)), 1);
    schedule.ended(Ok(Answer::default()), at(11));
    asked(&mut schedule, 1, 15, 15);
    runs(schedule.next(at(21)), 1);
    schedule.ended(Err(broken()), at(23));
    let failed = Told::Failed(Box::new(broken()));
    assert_eq!(asked(&mut schedule, 1, 15, 23), failed);
    assert_eq!(asked(&mut schedule, 1, 15, 32), failed, "whoever asks again hears it");
    assert_eq!(age(asked(&mut schedule, 1, 5, 32)), 22, "the last result is as old as it is");
    let told = why(asked(&mut schedule, 1, 15, 33));
    assert_eq!(
        told,
        "a survey is about to begin; the last one began 23 s ago; \
         the last try failed 10 s ago: no quorum"
    );
    runs(schedule.next(at(33)), 1);
}

#[test]
fn two_surveys_take_turns() {
    let mut schedule = Schedule::default();
    asked(&mut schedule, 1, 10, 10);
    asked(&mut schedule, 2, 10, 10);
    asked(&mut schedule, 1, 10, 10);
    runs(schedule.next(at(10)), 1);
    let told = why(asked(&mut schedule, 2, 10, 12));
    assert_eq!(
        told,
        "another survey is under way since 2 s, and this one waits for it; there is no earlier one"
    );
    schedule.ended(Ok(Answer::default()), at(12));
    asked(&mut schedule, 1, 12, 12);
    runs(schedule.next(at(12)), 2);
    schedule.ended(Ok(Answer::default()), at(40));
    runs(schedule.next(at(40)), 1);
}

#[test]
fn there_is_room_for_what_is_asked_for_now_but_not_by_forgetting_an_interval() {
    let mut schedule = Schedule::default();
    let known = u8::try_from(KNOWN).unwrap();
    for number in 0..known {
        asked(&mut schedule, number, 0, 10 + u64::from(number));
    }
    // The first one runs, and the second one was asked for again.
    runs(schedule.next(at(100)), 0);
    asked(&mut schedule, 1, 0, 101);
    asked(&mut schedule, known, 0, 102);
    assert_eq!(schedule.known.len(), KNOWN);
    assert!(!schedule.known.contains_key(&Key::of(&query(2))), "nobody asked for it longest");
    assert!(!schedule.wanted.contains(&Key::of(&query(2))));
    schedule.ended(Ok(Answer::default()), at(1000));
    asked(&mut schedule, known + 1, 0, 1001);
    assert!(schedule.known.contains_key(&Key::of(&query(0))), "it is not due yet");
}

proptest! {
    /// Whoever asks for what, and whenever: one at a time, each at its interval, and no answer is older
    /// than it was allowed to be.
    #[test]
    fn no_way_of_asking_makes_more_of_them(
        moves in prop::collection::vec((0_u8..4, 0_u64..120, 0_u64..30, any::<bool>()), 1..200),
    ) {
        let (mut schedule, mut now) = (Schedule::default(), 1_000_u64);
        let mut running: Option<(Key, u64)> = None;
        let mut due: BTreeMap<Key, u64> = BTreeMap::new();
        for (number, max_age, step, good) in moves {
            now += step;
            let since = now.saturating_sub(max_age);
            if let Told::Answer(_, age) = asked(&mut schedule, number, since, now) {
                prop_assert!(age <= at(max_age));
            }
            match schedule.next(at(now)) {
                Next::Run(key, query) => {
                    prop_assert_eq!(key, Key::of(&query));
                    prop_assert!(running.is_none(), "two at a time");
                    prop_assert!(due.get(&key).is_none_or(|due| *due <= now), "too early");
                    running = Some((key, now));
                }
                Next::Wait(time) => prop_assert!(running.is_none() && time > Moment::ZERO),
                Next::Nothing => {}
            }
            if let Some((key, began)) = running.filter(|(_, began)| now > *began) {
                let outcome = if good { Ok(Answer::default()) } else { Err(broken()) };
                schedule.ended(outcome, at(now));
                due.insert(key, now + 2 * (now - began));
                running = None;
            }
        }
    }
}
