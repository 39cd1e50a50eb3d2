//! The proof that the simulation bites: the programs are made wrong on purpose, in one way at a time.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use bellows_proto::defect::Defect;
use bellows_simulation::{listed, matrix};

/// Random schedules, beside all points.
const SCHEDULES: u64 = 100;

/// What is wrong on purpose is found: each defect by itself, by some point or schedule.
#[test]
fn every_seeded_defect_is_found() {
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
