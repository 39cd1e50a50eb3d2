//! All points and 1,000 random schedules, and that a run can be run again as it was.
//!
//! Built by the profile `simulation`: without optimisation it takes an hour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::process::Command;

use bellows_simulation::{faults, listed, matrix};

/// In a process of its own: one that divides itself has no other threads.
#[allow(clippy::disallowed_methods)]
fn simulation(words: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_bellows-simulation")).args(words).output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    print!("{told}");
    assert!(run.status.success(), "{told}{}", String::from_utf8_lossy(&run.stderr));
    told
}

#[test]
fn every_point_and_a_thousand_schedules_hold() {
    let told = simulation(&["matrix", "1000"]);
    let last = told.lines().last().unwrap();
    let end = "0 lost, 0 doubled, 0 stuck; schedules: 1000 run, failing seeds: none";
    assert!(last.starts_with("crash points: ") && last.ends_with(end), "{last}");
}

#[test]
fn a_run_that_shares_its_beginning_is_the_same_alone() {
    let told = simulation(&["compare", "400"]);
    assert!(told.ends_with(" runs compared, 0 differ\n"), "{told}");
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
