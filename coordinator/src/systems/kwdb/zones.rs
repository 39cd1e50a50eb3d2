//! Where replicas must be: whether every zone can have its replicas when some nodes are gone, and which
//! rules name one of them. The tool checks neither: a decommission that finds no place for a replica never
//! ends.

mod rules;

use bellows_proto::v1::KwdbZone;

use rules::{Rule, Rules, Term};

/// Below this a zone that wants as many is not adapted.
const FEWEST: u32 = 3;

/// A node as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) node: &'a str,
    /// The tool's.
    pub(super) id: u32,
    /// "region=NODE4"; several tiers with commas. Empty: as the tool sets it where nobody else does.
    pub(super) locality: &'a str,
}

impl Place<'_> {
    fn fits(&self, term: &Term) -> bool {
        let own = format!("region=NODE{}", self.id);
        let locality = if self.locality.is_empty() { own.as_str() } else { self.locality };
        locality.split(',').any(|tier| {
            tier.split_once('=').is_some_and(|(key, value)| {
                (key.trim(), value.trim()) == (term.key.as_str(), term.value.as_str())
            })
        })
    }

    /// The node's name as the tool makes it: NODE1 is not NODE10.
    fn is_the_word_in(&self, term: &Term) -> bool {
        let name = format!("NODE{}", self.id);
        let words = |text: &str| {
            text.split(|char: char| !char.is_alphanumeric())
                .any(|word| word.eq_ignore_ascii_case(&name))
        };
        words(&term.key) || words(&term.value)
    }

    /// It may have a replica by this rule.
    fn may_hold(&self, rule: &Rule) -> bool {
        rule.terms.iter().all(|term| self.fits(term) == term.wanted)
    }
}

/// Why nodes cannot leave, with what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// A sentence that quotes the zone.
    pub(super) value: String,
    /// The statement; empty: none does.
    pub(super) statement: String,
}

impl Obstacle {
    pub(super) fn text(&self) -> String {
        match self.statement.as_str() {
            "" => self.value.clone(),
            statement => format!("{}; this mends it: {statement}", self.value),
        }
    }
}

/// Replicas that a zone gets where so many nodes are available: as many as it wants, else the largest odd
/// number that fits, and never fewer than 3 where it wants 3 or more.
pub(super) fn effective(wanted: u32, nodes: u32) -> u32 {
    if wanted <= nodes {
        return wanted;
    }
    let odd = if nodes.is_multiple_of(2) { nodes.saturating_sub(1) } else { nodes };
    odd.max(wanted.min(FEWEST))
}

/// What zones want that say nothing of it themselves.
///
/// # Errors
/// If the configuration was not read.
pub(super) fn default_replicas(zones: &[KwdbZone]) -> Result<u32, String> {
    let default = zones.iter().find(|zone| zone.target.eq_ignore_ascii_case("RANGE default"));
    let wanted = default.and_then(|zone| zone.num_replicas);
    wanted.ok_or_else(|| "num_replicas of RANGE default was not read".to_owned())
}

/// Everything in the way of these leaving, when those stay.
///
/// # Errors
/// If the rules were not read, or cannot be judged.
pub(super) fn obstacles(
    zones: &[KwdbZone],
    leaving: &[Place<'_>],
    staying: &[Place<'_>],
) -> Result<Vec<Obstacle>, String> {
    let default = default_replicas(zones)?;
    let nodes = u32::try_from(staying.len()).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    for zone in zones {
        let read = |text: &str| {
            Rules::read(text).map_err(|why| format!("{} is not understood: {why}", zone.target))
        };
        let wanted = zone.num_replicas.unwrap_or(default);
        let need = effective(wanted, nodes);
        if need > nodes {
            let value = format!(
                "{} wants {wanted} replicas and cannot do with fewer than {need}: {nodes} nodes would be left",
                zone.target
            );
            found.push(Obstacle { value, statement: String::new() });
        }
        let constraints = read(&zone.constraints)?;
        found.extend(named(zone, "constraints", &zone.constraints, &constraints, leaving, staying));
        found.extend(too_few(zone, &constraints, need, leaving, staying)?);
        let preferences = read(&zone.lease_preferences)?;
        let quoted = &zone.lease_preferences;
        found.extend(named(zone, "lease_preferences", quoted, &preferences, leaving, staying));
    }
    Ok(found)
}

/// Who of these is meant by a demand, and nobody who stays is.
fn meant<'p>(term: &Term, leaving: &'p [Place<'_>], staying: &[Place<'_>]) -> Vec<&'p str> {
    let others = staying.iter().any(|place| place.fits(term));
    let these = leaving.iter().filter(|place| {
        place.is_the_word_in(term) || (!others && !term.key.is_empty() && place.fits(term))
    });
    these.map(|place| place.node).collect()
}

fn named(
    zone: &KwdbZone,
    what: &str,
    quoted: &str,
    rules: &Rules,
    leaving: &[Place<'_>],
    staying: &[Place<'_>],
) -> Option<Obstacle> {
    let terms = rules.rules.iter().flat_map(|rule| &rule.terms);
    let mut nodes: Vec<&str> = terms.flat_map(|term| meant(term, leaving, staying)).collect();
    if nodes.is_empty() {
        return None;
    }
    let order = |node: &&str| leaving.iter().position(|place| place.node == *node);
    nodes.sort_by_key(order);
    nodes.dedup();
    let rest = rules.without(|term| !meant(term, leaving, staying).is_empty());
    Some(Obstacle {
        value: format!("{}: {what} = '{quoted}' names {}", zone.target, nodes.join(", ")),
        statement: statement(zone, what, &rest),
    })
}

/// Rules that name a place which others have too: enough of those who stay must have it.
fn too_few(
    zone: &KwdbZone,
    rules: &Rules,
    need: u32,
    leaving: &[Place<'_>],
    staying: &[Place<'_>],
) -> Result<Option<Obstacle>, String> {
    for rule in &rules.rules {
        if rule.terms.iter().any(|term| !meant(term, leaving, staying).is_empty()) {
            // Said already.
            continue;
        }
        if let Some(term) = rule.terms.iter().find(|term| term.key.is_empty()) {
            return Err(format!(
                "{}: constraints = '{}' asks for the attribute {}, and attributes of stores are not read here",
                zone.target,
                zone.constraints,
                term.text()
            ));
        }
        if !leaving.iter().any(|place| place.may_hold(rule)) {
            continue;
        }
        let left = staying.iter().filter(|place| place.may_hold(rule)).count();
        let wanted = rule.replicas.unwrap_or(need);
        if u32::try_from(left).unwrap_or(u32::MAX) < wanted {
            let rest = rules.without(|term| rule.terms.contains(term));
            return Ok(Some(Obstacle {
                value: format!(
                    "{}: constraints = '{}' wants {wanted} replicas at places of which {left} would be left",
                    zone.target, zone.constraints
                ),
                statement: statement(zone, "constraints", &rest),
            }));
        }
    }
    Ok(None)
}

/// `ALTER ... CONFIGURE ZONE USING constraints = '[]';`
fn statement(zone: &KwdbZone, what: &str, rules: &Rules) -> String {
    const USING: &str = "CONFIGURE ZONE USING";
    let of_tool = zone.raw.split_once(USING).map(|(head, _)| head.trim());
    let head = match of_tool {
        Some(head) if head.starts_with("ALTER ") => head.to_owned(),
        Some(_) | None => format!("ALTER {}", zone.target),
    };
    format!("{head} {USING} {what} = '{}';", rules.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_adapt_to_the_nodes_that_are_there() {
        let table = [
            (5, 6, 5),
            (5, 5, 5),
            (5, 4, 3),
            (5, 3, 3),
            (5, 2, 3),
            (3, 9, 3),
            (3, 3, 3),
            (3, 2, 3),
            (7, 6, 5),
            (4, 4, 4),
            (4, 3, 3),
            (2, 3, 2),
            (2, 1, 2),
            (1, 3, 1),
            (1, 0, 1),
        ];
        for (wanted, nodes, effective) in table {
            assert_eq!(super::effective(wanted, nodes), effective, "{wanted} of {nodes}");
        }
    }

    fn zone(target: &str, replicas: Option<u32>, constraints: &str, leases: &str) -> KwdbZone {
        KwdbZone {
            target: target.to_owned(),
            num_replicas: replicas,
            constraints: constraints.to_owned(),
            lease_preferences: leases.to_owned(),
            raw: format!("ALTER {target} CONFIGURE ZONE USING\n\tnum_replicas = 3"),
        }
    }

    /// kw1 (id 1) to kw11 (id 11), as far as they are named; NODE<id>, or what is given.
    fn places<'a>(nodes: &[(&'a str, u32, &'a str)]) -> Vec<Place<'a>> {
        nodes.iter().map(|(node, id, locality)| Place { node, id: *id, locality }).collect()
    }

    /// Texts when kw4 leaves kw1, kw2, kw3 and kw40.
    fn when_kw4_leaves(zones: &[KwdbZone]) -> Vec<String> {
        let leaving = places(&[("kw4", 4, "region=NODE4")]);
        let staying = [
            ("kw1", 1, "region=NODE1"),
            ("kw2", 2, ""),
            ("kw3", 3, "region=NODE3"),
            ("kw40", 40, "region=NODE40"),
        ];
        let found = obstacles(zones, &leaving, &places(&staying)).unwrap();
        found.iter().map(Obstacle::text).collect()
    }

    fn default() -> KwdbZone {
        zone("RANGE default", Some(3), "[]", "[]")
    }

    #[test]
    fn rules_that_name_the_leaving_node_are_quoted_with_what_mends_them() {
        let target = "PARTITION p1 OF TABLE ts.public.t";
        let table = [
            ("[]", "[]", ""),
            ("[+region=NODE1]", "[[+region=NODE2]]", ""),
            // That nobody fits it but one is not this shrink's doing.
            ("[+region=NODE40]", "[]", ""),
            ("[+region=NODE4]", "[]", "constraints = '[]';"),
            ("[-region=NODE4]", "[]", "constraints = '[]';"),
            ("[+region=NODE4,-region=NODE1]", "[]", "constraints = '[-region=NODE1]';"),
            (
                "{+region=NODE4: 1, +region=NODE1: 1}",
                "[]",
                "constraints = '{\"+region=NODE1\": 1}';",
            ),
            ("[]", "[[+region=NODE4],[+region=NODE1]]", "lease_preferences = '[[+region=NODE1]]';"),
            ("[+zone=rack-NODE4]", "[]", "constraints = '[]';"),
            ("[+zone=node4]", "[]", "constraints = '[]';"),
        ];
        for (constraints, leases, end) in table {
            let texts = when_kw4_leaves(&[default(), zone(target, None, constraints, leases)]);
            match end {
                "" => assert_eq!(texts, Vec::<String>::new(), "{constraints} {leases}"),
                end => {
                    assert_eq!(texts.len(), 1, "{texts:?}");
                    let text = &texts[0];
                    assert!(text.contains("names kw4"), "{text}");
                    assert!(
                        text.ends_with(&format!("ALTER {target} CONFIGURE ZONE USING {end}")),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_place_that_others_have_too_needs_enough_of_them() {
        let leaving = places(&[("kw4", 4, "region=east,rack=2")]);
        let staying = places(&[
            ("kw1", 1, "region=east,rack=1"),
            ("kw2", 2, "region=east,rack=1"),
            ("kw3", 3, "region=west,rack=1"),
        ]);
        let count = |constraints: &str| {
            let zones = [default(), zone("PARTITION p OF TABLE t", None, constraints, "[]")];
            obstacles(&zones, &leaving, &staying).map(|found| found.len())
        };
        let table = [
            ("{+region=east: 2}", 0),
            ("{+region=east: 3}", 1),
            ("[+region=east]", 1),
            ("[-region=west]", 1),
            ("[+region=west]", 0),
            // Only the leaving one is there: it is meant.
            ("[+rack=2]", 1),
            ("[-rack=2]", 1),
        ];
        for (constraints, found) in table {
            assert_eq!(count(constraints), Ok(found), "{constraints}");
        }
        assert!(count("[+ssd]").unwrap_err().contains("attribute +ssd"));
        assert!(count("[ssd]").is_err());
    }

    #[test]
    fn three_nodes_are_the_fewest() {
        let three = places(&[("kw1", 1, ""), ("kw2", 2, ""), ("kw3", 3, "")]);
        let four = places(&[("kw4", 4, "")]);
        let zones = [
            default(),
            zone("RANGE meta", Some(5), "[]", "[]"),
            zone("TABLE system.public.jobs", Some(1), "[]", "[]"),
        ];
        assert_eq!(obstacles(&zones, &four, &three), Ok(Vec::new()));
        let texts = obstacles(&zones, &three[2..], &three[..2]).unwrap();
        let texts: Vec<String> = texts.iter().map(Obstacle::text).collect();
        assert_eq!(
            texts,
            [
                "RANGE default wants 3 replicas and cannot do with fewer than 3: 2 nodes would be left",
                "RANGE meta wants 5 replicas and cannot do with fewer than 3: 2 nodes would be left",
            ]
        );
    }

    #[test]
    fn what_was_not_read_is_not_taken_for_good() {
        assert!(obstacles(&[], &[], &[]).is_err());
        assert!(obstacles(&[zone("RANGE default", None, "[]", "[]")], &[], &[]).is_err());
    }
}
