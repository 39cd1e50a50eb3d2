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
    // `DEFECT=word`: those whose names contain it.
    let only = std::env::var("DEFECT").unwrap_or_default();
    let named = |defect: &&Defect| format!("{defect:?}").contains(&only);
    let defects: Vec<_> = Defect::ALL.iter().filter(named).collect();
    let mut missed = Vec::new();
    for defect in &defects {
        match matrix::found(&systems, **defect, SCHEDULES).unwrap() {
            Some(found) => println!("{defect:?}: found by {found}"),
            None => {
                println!("{defect:?}: NOT FOUND");
                missed.push(defect);
            }
        }
    }
    println!("defects: {} seeded, {} found", defects.len(), defects.len() - missed.len());
    assert!(!defects.is_empty(), "no defect is called {only:?}");
    assert!(missed.is_empty(), "not found: {missed:?}");
}
