//! A sample of the points and of the random schedules (`make crash-matrix` runs all of them), and the
//! proof that they find what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use bellows_simulation::{
    faults, listed,
    matrix::{self, How},
};

/// Random schedules.
const SCHEDULES: u64 = 100;
/// Every so many-th point.
const EVERY: usize = 20;

#[test]
fn a_sample_of_points_and_schedules_holds() {
    let systems = listed::systems();
    let cases = matrix::cases(&systems).unwrap();
    let mut tasks: Vec<_> = matrix::points(&cases).into_iter().step_by(EVERY).collect();
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

/// What is wrong on purpose is found: each defect by itself, by some point or schedule.
#[cfg(feature = "defects")]
#[test]
fn every_seeded_defect_is_found() {
    use bellows_proto::defect::Defect;

    let systems = listed::systems();
    let mut missed = Vec::new();
    for defect in Defect::ALL {
        match matrix::found(&systems, *defect, SCHEDULES) {
            Some(found) => println!("{defect:?}: found by {found}"),
            None => {
                println!("{defect:?}: NOT FOUND");
                missed.push(defect);
            }
        }
    }
    println!("defects: {} seeded, {} found", Defect::ALL.len(), Defect::ALL.len() - missed.len());
    assert!(missed.is_empty(), "not found: {missed:?}");
}
