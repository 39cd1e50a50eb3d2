//! All points and 1,000 random schedules, and that a run can be run again as it was.
//!
//! Built by the profile `simulation`: without optimisation it takes an hour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use bellows_simulation::{
    faults, listed,
    matrix::{self, How},
};

/// Random schedules.
const SCHEDULES: u64 = 1000;

#[test]
fn every_point_and_a_thousand_schedules_hold() {
    let systems = listed::systems();
    let cases = matrix::cases(&systems).unwrap();
    let mut tasks = matrix::points(&cases);
    tasks.extend((1..=SCHEDULES).map(|seed| matrix::schedule(&cases, seed)));
    let summary = matrix::run_all(&cases, &tasks, How::default());
    println!("{summary}");
    assert!(summary.is_good(), "{summary}");
}

#[test]
fn a_run_is_the_same_each_time() {
    let systems = listed::systems();
    let cases = matrix::cases(&systems).unwrap();
    for seed in 1..=20 {
        let task = matrix::schedule(&cases, seed);
        let first = matrix::carry_out(&cases, &task, true).unwrap();
        let second = matrix::carry_out(&cases, &task, true).unwrap();
        assert_eq!(first.story, second.story, "{}", matrix::replay(&cases, &task));
    }
}

#[test]
fn a_plan_of_faults_is_read_as_it_is_shown() {
    let systems = listed::systems();
    let cases = matrix::cases(&systems).unwrap();
    for seed in 1..=200 {
        let plan = matrix::schedule(&cases, seed).plan;
        assert_eq!(faults::parse(&faults::show(&plan)).unwrap(), plan);
    }
    assert!(faults::parse("before:x=kill").is_err() && faults::parse("call:1=nothing").is_err());
}
