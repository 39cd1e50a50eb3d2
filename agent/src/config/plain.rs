//! What an agent without root (`launch = "user"`) cannot do, refused before it starts: it is the user of the
//! databases itself, and changes nothing that is another's but by the lines of `bellows-agent sudoers`.

use super::{PostgresqlConfig, SystemsConfig, values::Checker};

/// Notes everything in the sections that needs another user.
pub(super) fn check(systems: &SystemsConfig, checker: &mut Checker) {
    if systems.bookkeeper.is_some() {
        checker.mistake(
            "systems.bookkeeper: not supported with launch = \"user\"; leave it out, or run this host's agent as root",
        );
    }
    if systems.kwdb.is_some() {
        checker.mistake(
            "systems.kwdb: with launch = \"user\" its unit cannot be given another start; leave it out, or run this host's agent as root",
        );
    }
    match &systems.postgresql {
        Some(section) => postgresql(section, checker),
        None => checker.mistake(
            "agent.launch: \"user\" needs a section of [systems]: its os_user is the user that the agent runs as",
        ),
    }
}

fn postgresql(section: &PostgresqlConfig, checker: &mut Checker) {
    if section.os_user == "root" {
        checker.mistake(
            "systems.postgresql.os_user: with launch = \"user\" it is the agent's own user, and not root",
        );
    }
    for (index, front) in section.fronts.iter().enumerate() {
        checker.mistake(format!(
            "systems.postgresql.fronts {}: {} cannot be turned with launch = \"user\": fronts need root; leave it out, or run this host's agent as root",
            index + 1,
            front.name
        ));
    }
    for unit in section.units() {
        // In a line of sudoers a backslash is a character of patterns: it would not stand for itself.
        if unit.contains('\\') {
            checker.mistake(format!(
                "systems.postgresql.adopted: {unit} has a backslash in its name, which no exact line of sudoers can have; give the unit another name"
            ));
        }
    }
}
