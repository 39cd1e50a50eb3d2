//! `bellows-simulation`: the crash matrix, random schedules, and one run told in full.

use std::process::ExitCode;

use bellows_simulation::{
    faults,
    listed::{self, System},
    matrix::{self, Case, How, Summary, Task},
};

const USAGE: &str = "\
usage: bellows-simulation matrix [SCHEDULES]     every point, then random schedules (1000)
       bellows-simulation soak SCHEDULES [FIRST] random schedules alone, from seed FIRST (1)
       bellows-simulation run SYSTEM/OPERATION SEED FAULTS   one run, told in full
       bellows-simulation points                 the points of the clean runs
       bellows-simulation compare EVERY          every so many-th point and 40 schedules: the same
                                                 alone as when they share their beginning
EVERY=N: every N-th point only; CASES=WORD: only operations whose SYSTEM/OPERATION contains the word;
ONLY=WORD: only faults that contain it, e.g. disk-full";

fn main() -> ExitCode {
    if let Err(error) = seed_defect() {
        eprintln!("{error}");
        return ExitCode::from(2);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
    let done = match words.as_slice() {
        ["matrix"] => all(1000),
        ["matrix", many] => number(many).and_then(all),
        ["soak", many] => number(many).and_then(|many| soak(1, many)),
        ["soak", many, first] => {
            number(first).and_then(|first| number(many).and_then(|many| soak(first, many)))
        }
        ["run", name, seed] => number(seed).and_then(|seed| one(name, seed, "")),
        ["run", name, seed, plan] => number(seed).and_then(|seed| one(name, seed, plan)),
        ["points"] => points(),
        ["compare", every] => number(every).and_then(compare),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn all(schedules: u64) -> Result<bool, String> {
    let systems = listed::systems();
    let cases = chosen(&systems)?;
    let mut tasks = matrix::points(&cases);
    if let Some(every) = std::env::var("EVERY").ok().and_then(|text| text.parse::<usize>().ok()) {
        tasks = tasks.into_iter().step_by(every.max(1)).collect();
    }
    if let Ok(only) = std::env::var("ONLY") {
        tasks.retain(|task| faults::show(&task.plan).contains(&only));
    }
    tasks.extend((1..=schedules).map(|seed| matrix::schedule(&cases, seed)));
    let summary = matrix::run_all(&cases, &tasks, How::default());
    let summary = summary.map_err(|error| error.to_string())?;
    println!("{summary}");
    Ok(summary.is_good())
}

/// The clean runs of `CASES=WORD`, those whose SYSTEM/OPERATION contains it; else all of them.
fn chosen(systems: &[Box<dyn System>]) -> Result<Vec<Case<'_>>, String> {
    let word = std::env::var("CASES").unwrap_or_default();
    matrix::cases_of(systems, |name| name.contains(&word))
}

/// So many schedules share a clean run of each operation, and are told of together.
const PART: u64 = 5000;

/// Tells after each part where it is: stopped, it goes on from there with another first seed.
fn soak(first: u64, many: u64) -> Result<bool, String> {
    let systems = listed::systems();
    let cases = matrix::cases(&systems)?;
    let end = first.saturating_add(many);
    let mut whole = Summary::default();
    let mut from = first;
    while from < end {
        let next = from.saturating_add(PART).min(end);
        let tasks: Vec<Task> = (from..next).map(|seed| matrix::schedule(&cases, seed)).collect();
        let part = matrix::run_all(&cases, &tasks, How::default());
        let part = part.map_err(|error| error.to_string())?;
        for failure in &part.failures {
            eprintln!("FAILED {}", failure.replay);
        }
        whole.add(part);
        from = next;
        eprintln!(
            "{} of {many} run, {} failed; next seed {next}",
            next - first,
            whole.failures.len()
        );
    }
    println!("{whole}");
    Ok(whole.failures.is_empty())
}

/// `DEFECT=Name` makes the programs of a run wrong in that way.
#[cfg(feature = "defects")]
fn seed_defect() -> Result<(), String> {
    use bellows_proto::defect::Defect;
    let Some(name) = std::env::var("DEFECT").ok().filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let defect = Defect::ALL.iter().find(|defect| format!("{defect:?}") == name);
    let defect = defect.ok_or_else(|| format!("DEFECT={name}: one of {:?}", Defect::ALL))?;
    bellows_proto::defect::seed(Some(*defect));
    Ok(())
}

#[cfg(not(feature = "defects"))]
fn seed_defect() -> Result<(), String> {
    Ok(())
}

fn points() -> Result<bool, String> {
    let systems = listed::systems();
    let cases = chosen(&systems)?;
    println!("{} runs", matrix::points(&cases).len());
    for case in cases {
        println!("{}/{}: {:?}", case.system.name(), case.operation.name, case.clean.counts);
        for (number, label) in case.clean.labels.iter().enumerate() {
            println!("  {number:>5} {}", label.text);
        }
    }
    Ok(true)
}

fn compare(every: u64) -> Result<bool, String> {
    let systems = listed::systems();
    let cases = matrix::cases(&systems)?;
    let every = usize::try_from(every).unwrap_or(1).max(1);
    let mut tasks: Vec<Task> = matrix::points(&cases).into_iter().step_by(every).collect();
    tasks.extend((1..=40).map(|seed| matrix::schedule(&cases, seed)));
    let shared = matrix::verdicts(&cases, &tasks, How::default());
    let shared = shared.map_err(|error| error.to_string())?;
    let mut differ = 0;
    for (number, task) in tasks.iter().enumerate() {
        let (alone, shared) = (matrix::verdict(&cases, task), shared.get(&number));
        if alone.as_ref() != shared {
            println!("{}: {shared:?}, alone {alone:?}", matrix::replay(&cases, task));
            differ += 1;
        }
    }
    println!("{} runs compared, {differ} differ", tasks.len());
    Ok(differ == 0)
}

fn one(name: &str, seed: u64, plan: &str) -> Result<bool, String> {
    let systems = listed::systems();
    let plan = faults::parse(plan)?;
    let cases = matrix::cases_of(&systems, |one| one == name)?;
    if cases.is_empty() {
        return Err(format!("there is no {name}"));
    }
    let task = Task { case: 0, seed, plan, listed: seed == matrix::SEED };
    let Some(ended) = matrix::carry_out(&cases, &task, true) else { return Ok(false) };
    for line in &ended.story {
        println!("{line}");
    }
    println!("ended as {:?}", ended.outcome);
    for (what, text) in &ended.broken {
        println!("BROKEN {what:?}: {text}");
    }
    Ok(ended.broken.is_empty())
}
