//! Who may change things: the decision that `bellows serve` makes at its start. Pure.
//!
//! A term is a number, the id of the store that raised it, and an incarnation: a random word
//! that is made anew at each raise and stored with the number. Each start raises the number, so
//! that agents refuse whatever an earlier process still has under way.
//!
//! A number from another store means that another coordinator leads, or that this store was
//! restored. A number that is ahead of this store, or equal with another incarnation, means that
//! this store is a copy or an old state of itself, even where it carries its own id: a number is
//! durable in the store before anybody hears it, so that a store is never behind its agents by
//! itself. In all these cases somebody else may have acted, and only the administrator can say
//! who is right.

use bellows_proto::v1::Term;

/// How the coordinator starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It leads: store this number, durably, then use it.
    Lead {
        /// The next number.
        number: u64,
        /// It takes over from another one, on the administrator's word: what that one may have
        /// done is not in this store. Says what was seen.
        over: Option<String>,
    },
    /// It changes nothing until `--take-over`.
    ReadOnly {
        /// The highest term seen that is not its own.
        highest: Term,
        /// For the administrator: what was seen, and what to do.
        reason: String,
    },
}

/// Decides. `own` is what the own store holds, `seen` what all reachable agents have told.
///
/// The number becomes one more than the highest, by itself only where nothing was seen that this
/// store did not raise. `take_over` is the administrator's word that no other coordinator leads
/// this site.
pub fn decide(own: &Term, seen: &[Term], take_over: bool) -> Decision {
    let highest = seen.iter().map(|term| term.number).fold(own.number, u64::max);
    let strange = seen.iter().filter(|term| is_strange(own, term)).max_by_key(|term| term.number);
    let Some(number) = highest.checked_add(1) else {
        let term = seen.iter().find(|term| term.number == highest).unwrap_or(own);
        let reason = "an agent has seen the highest number that a term can have: no coordinator \
                      can lead it; enrol that host anew";
        return Decision::ReadOnly { highest: term.clone(), reason: reason.to_owned() };
    };
    match strange {
        None => Decision::Lead { number, over: None },
        Some(other) if take_over => Decision::Lead { number, over: Some(told(own, other)) },
        Some(other) => Decision::ReadOnly {
            highest: other.clone(),
            reason: format!(
                "{}; make sure that no other coordinator of this site runs, then start this one \
                 with --take-over (open operations are held then), or go on with the other one",
                told(own, other)
            ),
        },
    }
}

/// Whether a term that was seen was not raised by this very store in its present state.
pub fn is_strange(own: &Term, seen: &Term) -> bool {
    if seen.number != own.number {
        return seen.number > own.number;
    }
    // A record of a version without incarnations does not tell copies apart.
    seen.store_id != own.store_id
        || (!seen.incarnation.is_empty() && seen.incarnation != own.incarnation)
}

/// What was seen, and what it can mean.
fn told(own: &Term, other: &Term) -> String {
    let number = other.number;
    if other.store_id != own.store_id {
        format!(
            "agents have seen term {number} of another store ({}), this one has {}: another \
             coordinator leads, or this store was restored from a backup",
            other.store_id, own.number
        )
    } else if number > own.number {
        format!(
            "agents have seen term {number} of this very store, which itself knows no more than \
             {}: it is a copy, or the state of an older day (an old VM, a snapshot, a lost tail)",
            own.number
        )
    } else {
        format!(
            "agents have seen term {number} of this very store from another start of it: a copy \
             of it leads, or has led"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(number: u64, store: &str) -> Term {
        Term { number, store_id: store.to_owned(), incarnation: format!("{store}{number}") }
    }

    fn leads(own: u64, seen: &[(u64, &str)], take_over: bool) -> Option<u64> {
        let seen: Vec<_> = seen.iter().map(|(n, id)| term(*n, id)).collect();
        lead(&term(own, "me"), &seen, take_over)
    }

    fn lead(own: &Term, seen: &[Term], take_over: bool) -> Option<u64> {
        match decide(own, seen, take_over) {
            Decision::Lead { number, .. } => Some(number),
            Decision::ReadOnly { .. } => None,
        }
    }

    #[test]
    fn it_leads_by_itself_only_where_the_highest_is_its_own() {
        assert_eq!(leads(0, &[], false), Some(1));
        assert_eq!(leads(4, &[(4, "me"), (3, "me")], false), Some(5));
        // Somebody led before us, and we have taken over since.
        assert_eq!(leads(4, &[(3, "other")], false), Some(5));
        assert_eq!(leads(4, &[(5, "other")], false), None);
        // An equal number from another store: both believed to lead.
        assert_eq!(leads(4, &[(4, "other")], false), None);
        assert_eq!(leads(6, &[(6, "me"), (6, "other")], false), None);
        assert_eq!(leads(0, &[(1, "")], false), None);
    }

    #[test]
    fn a_store_that_is_behind_its_own_name_is_a_copy() {
        assert_eq!(leads(4, &[(7, "me")], false), None);
        assert_eq!(leads(4, &[(4, "me"), (5, "me")], false), None);
        assert_eq!(leads(4, &[(7, "me")], true), Some(8));
        // The same number, raised by another start.
        let other = Term { incarnation: "another".to_owned(), ..term(4, "me") };
        assert_eq!(lead(&term(4, "me"), &[term(4, "me"), other.clone()], false), None);
        assert_eq!(lead(&term(4, "me"), &[other], true), Some(5));
        // An agent of a version that kept no incarnations.
        let old = Term { incarnation: String::new(), ..term(4, "me") };
        assert_eq!(lead(&term(4, "me"), &[old], false), Some(5));
    }

    #[test]
    fn the_administrator_may_take_over_and_is_told_from_whom() {
        assert_eq!(leads(4, &[(9, "other"), (2, "me")], true), Some(10));
        assert_eq!(leads(4, &[(4, "other")], true), Some(5));
        // The word is not needed, and nobody else has acted.
        let needless = decide(&term(4, "me"), &[term(4, "me"), term(3, "other")], true);
        assert_eq!(needless, Decision::Lead { number: 5, over: None });
        let Decision::Lead { over: Some(over), .. } = decide(&term(4, "me"), &[term(9, "x")], true)
        else {
            panic!("it takes over")
        };
        assert!(over.contains("term 9 of another store (x)"), "{over}");
    }

    #[test]
    fn a_number_at_its_end_leads_nowhere() {
        assert_eq!(leads(1, &[(u64::MAX, "me")], true), None);
        assert_eq!(leads(u64::MAX, &[], true), None);
    }

    #[test]
    fn the_reason_names_what_was_seen_and_the_way_out() {
        for (seen, word) in [(term(1, "other"), "other"), (term(2, "me"), "copy")] {
            let Decision::ReadOnly { highest, reason } =
                decide(&term(1, "me"), std::slice::from_ref(&seen), false)
            else {
                panic!("it must not lead")
            };
            assert_eq!(highest, seen);
            assert!(reason.contains(word) && reason.contains("--take-over"), "{reason}");
        }
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
                Decision::Lead { number, over } => {
                    prop_assert!(number > own && seen.iter().all(|t| t.number < number));
                    prop_assert!(take_over || over.is_none());
                }
                Decision::ReadOnly { highest, .. } => {
                    let ahead = highest.number > own;
                    prop_assert!(!take_over && (ahead || highest.store_id == "b"));
                }
            }
        }
    }
}
