//! Who may change things: the decision that `bellows serve` makes at its start. Pure.
//!
//! A term is a number and the id of the store that raised it. Each start raises the number, so
//! that agents refuse whatever an earlier process still has under way. A number from another
//! store means that another coordinator leads, or that this store is a copy or a restored one:
//! then only the administrator can say who is right.

use bellows_proto::v1::Term;

/// How the coordinator starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It leads: store this number, durably, then use it.
    Lead(u64),
    /// It changes nothing until `--take-over`.
    ReadOnly {
        /// The highest term seen that is not its own.
        highest: Term,
        /// For the administrator, in one sentence.
        reason: String,
    },
}

/// Decides. `own` is what the own store holds, `seen` what all reachable agents have told.
///
/// The number becomes one more than the highest, by itself only where no other store has
/// carried that highest number. `take_over` is the administrator's word that no other
/// coordinator leads this site.
pub fn decide(own: &Term, seen: &[Term], take_over: bool) -> Decision {
    let highest = seen.iter().map(|term| term.number).fold(own.number, u64::max);
    let stranger = seen.iter().find(|term| term.number == highest && term.store_id != own.store_id);
    let read_only =
        |highest: &Term, reason| Decision::ReadOnly { highest: highest.clone(), reason };
    match (highest.checked_add(1), stranger) {
        (None, _) => {
            let term = seen.iter().find(|term| term.number == highest);
            let reason = "an agent has seen the highest number that a term can have: \
                          no coordinator can lead it; enrol that host anew";
            read_only(term.unwrap_or(own), reason.to_owned())
        }
        (Some(_), Some(other)) if !take_over => read_only(
            other,
            format!(
                "agents have seen term {} of another store ({}): another coordinator leads, or \
                 this store was restored or copied; make sure that no other one runs, then start \
                 with --take-over",
                other.number, other.store_id
            ),
        ),
        (Some(next), _) => Decision::Lead(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(number: u64, store: &str) -> Term {
        Term { number, store_id: store.to_owned() }
    }

    fn leads(own: u64, seen: &[(u64, &str)], take_over: bool) -> Option<u64> {
        let seen: Vec<_> = seen.iter().map(|(n, id)| term(*n, id)).collect();
        match decide(&term(own, "me"), &seen, take_over) {
            Decision::Lead(number) => Some(number),
            Decision::ReadOnly { .. } => None,
        }
    }

    #[test]
    fn it_leads_by_itself_only_where_the_highest_is_its_own() {
        assert_eq!(leads(0, &[], false), Some(1));
        assert_eq!(leads(4, &[(4, "me"), (3, "me")], false), Some(5));
        // The store has lost its tail: the agents know better.
        assert_eq!(leads(4, &[(7, "me")], false), Some(8));
        // Somebody led before us, and we have taken over since.
        assert_eq!(leads(4, &[(3, "other")], false), Some(5));
        assert_eq!(leads(4, &[(5, "other")], false), None);
        // An equal number from another store: both believed to lead.
        assert_eq!(leads(4, &[(4, "other")], false), None);
        assert_eq!(leads(4, &[(6, "me"), (6, "other")], false), None);
        assert_eq!(leads(0, &[(1, "")], false), None);
    }

    #[test]
    fn the_administrator_may_take_over() {
        assert_eq!(leads(4, &[(9, "other"), (2, "me")], true), Some(10));
        assert_eq!(leads(4, &[(4, "other")], true), Some(5));
    }

    #[test]
    fn a_number_at_its_end_leads_nowhere() {
        assert_eq!(leads(1, &[(u64::MAX, "me")], true), None);
        assert_eq!(leads(u64::MAX, &[], true), None);
    }

    #[test]
    fn the_reason_names_the_other_store_and_the_way_out() {
        let Decision::ReadOnly { highest, reason } =
            decide(&term(1, "me"), &[term(1, "other")], false)
        else {
            panic!("it must not lead")
        };
        assert_eq!(highest, term(1, "other"));
        assert!(reason.contains("other") && reason.contains("--take-over"));
    }

    proptest! {
        #[test]
        fn a_leader_is_above_all_that_was_seen(
            own in 0_u64..9,
            seen in proptest::collection::vec((0_u64..9, "[ab]"), 0..5),
            take_over: bool,
        ) {
            let seen: Vec<_> = seen.iter().map(|(n, id)| term(*n, id)).collect();
            match decide(&term(own, "a"), &seen, take_over) {
                Decision::Lead(number) => {
                    prop_assert!(number > own && seen.iter().all(|t| t.number < number));
                }
                Decision::ReadOnly { highest, .. } => {
                    prop_assert!(!take_over && highest.store_id == "b" && highest.number >= own);
                }
            }
        }
    }
}
