//! Documentation held against the sources: what an administrator can type, configure or be told
//! stands in the pages, in both languages, and links lead somewhere. It looks for the words only;
//! whether a page tells the truth about them is for its readers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Folders of the pages, by language.
const LANGUAGES: [&str; 2] = ["docs", "docs/zh-CN"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with every word that a page lacks, in each language.
fn stand(page: &str, what: &str, words: &BTreeSet<String>) {
    assert!(!words.is_empty(), "no {what} was found in the sources: mend this test");
    for folder in LANGUAGES {
        let path = format!("{folder}/{page}");
        let text = read(&path);
        let lacks: Vec<_> = words.iter().filter(|word| !text.contains(word.as_str())).collect();
        assert!(lacks.is_empty(), "{path} lacks this {what}: {lacks:?}");
    }
}

/// Quoted words between two marks of a source.
fn quoted(source: &str, from: &str, to: &str) -> Vec<String> {
    let rest = source.split_once(from).unwrap_or_else(|| panic!("no {from:?}: mend this test")).1;
    let part = rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} after {from:?}")).0;
    part.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `word`, as a page writes what is typed.
fn code(words: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    words.into_iter().map(|word| format!("`{word}`")).collect()
}

/// `mark`: what the codes of a system begin with, "PG-".
fn guard_codes(mark: &str, text: &str) -> BTreeSet<String> {
    let digits = text.split(mark).skip(1).filter_map(|rest| rest.get(..2));
    let numbers = digits.filter(|two| two.bytes().all(|b| b.is_ascii_digit()));
    numbers.map(|two| format!("{mark}{two}")).collect()
}

#[test]
fn every_guard_of_postgresql_is_explained() {
    every_guard_is_explained("postgresql", "PG-");
}

#[test]
fn every_guard_of_kwdb_is_explained() {
    every_guard_is_explained("kwdb", "KW-");
}

#[test]
fn every_guard_of_bookkeeper_is_explained() {
    every_guard_is_explained("bookkeeper", "BK-");
}

fn every_guard_is_explained(system: &str, mark: &str) {
    let source = read(&format!("coordinator/src/systems/{system}/guards.rs"));
    let codes = guard_codes(mark, source.split_once("rules! {\n    ").unwrap().1);
    let rows = codes.iter().map(|code| format!("\n| {code} |")).collect();
    stand(&format!("systems/{system}.md"), "guard", &rows);
    for folder in LANGUAGES {
        let told = guard_codes(mark, &read(&format!("{folder}/systems/{system}.md")));
        let extra: Vec<_> = told.difference(&codes).collect();
        assert!(extra.is_empty(), "{folder} tells of guards that are not there: {extra:?}");
    }
}

#[test]
fn every_rule_of_host_add_is_explained() {
    let source = read("coordinator/src/bootstrap/rules.rs");
    let codes = source.split("= \"HOST-").skip(1).filter_map(|rest| rest.get(..2));
    stand("hosts.md", "rule", &codes.map(|number| format!("\n| HOST-{number} |")).collect());
}

#[test]
fn every_option_of_a_system_is_explained() {
    let systems = [
        ("postgresql", ["CREATE", "EXPAND", "SHRINK"].as_slice()),
        ("kwdb", &["ADOPT", "EXPAND", "SHRINK", "REPLACE", "REJOIN"]),
        ("bookkeeper", &["CLUSTER", "LEAVING"]),
    ];
    for (system, verbs) in systems {
        let source = read(&format!("coordinator/src/systems/{system}/options.rs"));
        for verb in verbs {
            let options = quoted(&source, &format!("const {verb}: &[&str] = &["), "];");
            stand(&format!("systems/{system}.md"), "option", &code(options));
        }
    }
}

#[test]
fn every_key_of_agent_toml_is_explained() {
    let keys = read("agent/src/config/keys.rs");
    stand("config.md", "key", &code(quoted(&keys, "const AGENT: &[&str] =", "];")));
    let postgresql = read("agent/src/config/postgresql.rs");
    let wanted = quoted(&postgresql, "const KEYS: &[&str] = &[", "];");
    stand("config.md", "key", &code(wanted));
    let fronts = read("agent/src/config/fronts.rs");
    let wanted = quoted(&fronts, "const KEYS: &[&str] = &[", "];");
    stand("config.md", "key", &code(wanted));
    let kwdb = read("agent/src/config/kwdb.rs");
    stand("config.md", "key", &code(quoted(&kwdb, "const KEYS: &[&str] = &[", "];")));
    let bookkeeper = read("agent/src/config/bookkeeper.rs");
    stand("config.md", "key", &code(quoted(&bookkeeper, "const KEYS: &[&str] = &[", "];")));
    let sections = [
        "[agent]",
        "[systems.postgresql]",
        "[systems.kwdb]",
        "[systems.bookkeeper]",
        "[profiles.NAME]",
    ];
    stand("config.md", "section", &code(sections.map(str::to_owned)));
}

#[test]
fn every_key_of_site_toml_is_explained() {
    let source = read("coordinator/src/site/config.rs");
    let reading = source.split_once("fn read(").unwrap().1.split_once("fn from_init").unwrap().0;
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in reading.lines() {
        let word = || line.split('"').nth(1).unwrap_or_default();
        if line.contains(".section(") {
            section = format!("{}.", word());
        } else if line.contains("absolute(&mut file") {
            keys.insert(format!("`{}`", word()));
        } else if line.contains("absolute(")
            || line.contains("required")
            || line.contains("optional")
        {
            keys.insert(format!("`{section}{}`", word()));
        }
    }
    stand("config.md", "key", &keys);
}

/// Commands and groups of them, as the help lists them: "bellows op show".
fn commands(help: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    let mut group = String::new();
    let mut listing = false;
    for line in help.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            group = command.trim_end_matches("--help").trim().to_owned();
        }
        listing = line == "Commands:" || (listing && !line.is_empty());
        match line.strip_prefix("  ").and_then(|rest| rest.split_whitespace().next()) {
            Some(name) if listing && name != "help" && !line.starts_with("   ") => {
                commands.insert(format!("{group} {name}"));
            }
            _ => {}
        }
    }
    commands
}

#[test]
fn every_command_and_option_is_explained() {
    let help = read("coordinator/tests/cli/help.trycmd");
    let commands = commands(&help);
    let mut options = BTreeSet::new();
    for line in help.lines() {
        let words = line.split(|c: char| c.is_whitespace() || c == ',');
        let typed = |word: &&str| word.starts_with("--") && line.trim_start().starts_with('-');
        options.extend(words.filter(typed).map(|word| format!("`{word}")));
    }
    let groups: BTreeSet<String> = commands
        .iter()
        .filter_map(|command| command.rsplit_once(' '))
        .map(|c| c.0.into())
        .collect();
    let leaves = commands.into_iter().filter(|command| !groups.contains(command));
    let leaves = code(leaves);
    stand("json.md", "command", &leaves);
    stand("cli.md", "command", &leaves);
    stand("cli.md", "option", &options);
}

#[test]
fn every_command_of_the_agent_is_explained() {
    let source = read("agent/src/main.rs");
    let variants = source.split_once("\nenum Command {").unwrap().1.split_once("\n}").unwrap().0;
    let mut hidden = false;
    let mut commands = Vec::new();
    for line in variants.lines() {
        hidden |= line.contains("hide = true");
        let name = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase));
        let Some(name) = name.and_then(|rest| rest.split(['(', ' ', '{']).next()) else { continue };
        if !std::mem::take(&mut hidden) {
            commands.push(format!("`bellows-agent {}", kebab(name)));
        }
    }
    stand("cli.md", "command", &commands.into_iter().collect());
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[test]
fn every_exit_status_is_explained() {
    let source = read("coordinator/src/cli/exit.rs");
    let help = source.split_once("Exit status:").unwrap().1.split_once("\";").unwrap().0;
    let numbers: BTreeSet<String> = help
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|number| format!("\n| {number} |"))
        .collect();
    stand("cli.md", "exit status", &numbers);
    stand("operations.md", "exit status", &numbers);
}

#[test]
fn every_state_and_cause_is_explained() {
    let events = read("proto/proto/bellows/v1/events.proto");
    let words = |prefix: &str| {
        let name = |line: &str| {
            line.trim().strip_prefix(prefix)?.split_once(' ').map(|n| n.0.to_lowercase())
        };
        let found = events.lines().filter_map(name).filter(|word| word != "unspecified");
        found.collect::<Vec<_>>()
    };
    stand("operations.md", "cause", &code(words("HOLD_CAUSE_")));
    stand("operations.md", "state", &code(words("OUTCOME_")));
    let commands = words("CONTROL_KIND_").into_iter().map(|verb| format!("`op {verb} "));
    stand("operations.md", "command", &commands.collect());
}

/// Commands that a text names and that are not there, and how many it names.
fn unknown_commands(known: &BTreeSet<String>, text: &str) -> (Vec<String>, usize) {
    let mut unknown = Vec::new();
    let mut count = 0;
    for rest in text.split("bellows ").skip(1) {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != ' ' && c != '-');
        let words: Vec<&str> = rest[..end.unwrap_or(rest.len())].split(' ').collect();
        let plain = |word: &&&str| !word.is_empty() && !word.starts_with('-');
        let words: Vec<&str> = words.iter().take_while(plain).copied().take(2).collect();
        let Some(first) = words.first() else { continue };
        count += 1;
        let groups = known.iter().any(|one| one.starts_with(&format!("bellows {first} ")));
        let command = match groups {
            true => format!("bellows {}", words.join(" ")),
            false => format!("bellows {first}"),
        };
        // The list of commands does not name itself.
        if !known.contains(&command) && command != "bellows help" {
            unknown.push(command);
        }
    }
    (unknown, count)
}

/// Commands in code, in the pages that say what to type when something has gone wrong: each is there.
#[test]
fn every_command_of_the_guides_is_there() {
    let known = commands(&read("coordinator/tests/cli/help.trycmd"));
    let guides = |path: &Path| {
        let text = path.to_string_lossy();
        ["/failures/", "administration.md", "without-root.md"]
            .iter()
            .any(|part| text.contains(part))
    };
    let mut unknown = Vec::new();
    let mut count = 0;
    for page in pages().into_iter().filter(|page| guides(page)) {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let (odd, named) = unknown_commands(&known, &text);
        count += named;
        unknown.extend(odd.into_iter().map(|command| format!("{}: {command}", page.display())));
    }
    assert!(count > 50, "{count} commands were found: mend this test");
    assert!(unknown.is_empty(), "commands that are not there: {unknown:#?}");
}

/// What mends a refusal can be typed.
#[test]
fn every_command_of_a_remedy_is_there() {
    let known = commands(&read("coordinator/tests/cli/help.trycmd"));
    let mut unknown = Vec::new();
    let mut count = 0;
    for file in ["postgresql", "kwdb", "bookkeeper"]
        .map(|system| format!("coordinator/src/systems/{system}/guards.rs"))
        .iter()
        .map(String::as_str)
        .chain(["agent/src/tools/kwdb/deployed.rs"])
    {
        let source = read(file);
        let words = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in words.filter(|line| line.contains("bellows ") && line.contains('"')) {
            let (odd, named) = unknown_commands(&known, line);
            count += named;
            unknown.extend(odd.into_iter().map(|command| format!("{file}: {command}")));
        }
    }
    assert!(count > 30, "{count} commands were found: mend this test");
    assert!(unknown.is_empty(), "commands that are not there: {unknown:#?}");
}

/// All pages, relative to the root.
fn pages() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CHANGELOG.md"]
            .map(PathBuf::from)
            .into();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_page_is_there_in_both_languages() {
    let pages: BTreeSet<PathBuf> = pages().into_iter().collect();
    let [english, chinese] = LANGUAGES;
    for page in pages.iter().filter(|page| page.starts_with(english) && !page.starts_with(chinese))
    {
        let other = Path::new(chinese).join(page.strip_prefix(english).unwrap());
        assert!(pages.contains(&other), "{} is missing", other.display());
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|t| t.0);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let leads = match std::fs::read_to_string(root().join(&path)) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(anchor),
                Err(_) => anchor.is_empty() && root().join(&path).exists(),
            };
            if !leads {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

/// Anchors of the headings, as the hosting sites make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn pages_name_no_path_of_one_machine() {
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for path in ["/home/", "/tmp/"] {
            assert!(!text.contains(path), "{} has {path}", page.display());
        }
    }
}
