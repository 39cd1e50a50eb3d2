//! `make test-kills`: plays every kill point of the tables in `bellows_tests::kills`, or those
//! whose names have the words on the command line, and ends with a table. A program of its own,
//! not libtest's: points of a group share a cluster and are told as they happen.

use std::{process::ExitCode, time::Instant};

use bellows_tests::kills::{
    group::{self, Group, Wanted},
    tally,
};
use futures::stream::{self, StreamExt as _};

/// Groups that are played at once: they mostly wait.
const AT_ONCE: usize = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (options, words): (Vec<_>, Vec<_>) =
        words.into_iter().partition(|word| word.starts_with("--"));
    let wanted = Wanted(words);
    let is_wanted = |group: &Group| group.points.iter().any(|point| wanted.has(group.name, point));
    let groups: Vec<Group> = group::all().into_iter().filter(is_wanted).collect();
    if options.iter().any(|option| option == "--list") {
        for group in &groups {
            for point in group.points.iter().filter(|point| wanted.has(group.name, point)) {
                println!("{}: {point}: test", group.name);
            }
        }
        return ExitCode::SUCCESS;
    }
    if groups.is_empty() {
        eprintln!("no kill point has {:?} in its name; --list shows all", wanted.0);
        return ExitCode::from(2);
    }
    let began = Instant::now();
    let play = |group: Group| tokio::spawn((group.play)(group.name, wanted.clone()));
    let played: Vec<_> = stream::iter(groups).map(play).buffered(AT_ONCE).collect().await;
    let mut lines = Vec::new();
    let mut broken = false;
    for group in played {
        match group {
            Ok(found) => lines.extend(found),
            Err(error) => {
                eprintln!("a group broke down: {error}");
                broken = true;
            }
        }
    }
    println!("\n{}", tally::summary(&lines, began.elapsed()));
    if broken || lines.iter().any(|line| line.outcome.is_err()) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
