//! The three ways in which a bookie's ledgers leave it, side by side, for those who choose: redundancy meanwhile,
//! how long, the load, and until when one can go back. Words only; nothing is decided here.

use bellows_proto::v1::{BookkeeperBudget, BookkeeperWay};

use super::{
    budget,
    moving::{self, Load},
};
use crate::plan::sizes;

/// All of them, in the order in which they are shown.
pub(super) const ALL: [BookkeeperWay; 3] =
    [BookkeeperWay::Drain, BookkeeperWay::Stop, BookkeeperWay::Expire];

/// As it is typed.
pub(super) fn name(way: BookkeeperWay) -> &'static str {
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => "drain",
        BookkeeperWay::Stop => "stop",
        BookkeeperWay::Expire => "expire",
    }
}

/// What one way would be; `Err`: why it cannot be gone.
pub(super) type Possible = (BookkeeperWay, Result<(), String>);

/// What the ways are judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) chosen: BookkeeperWay,
    /// Of all who leave.
    pub(super) load: Load,
    /// Whose hosts do the work of a drain, in words.
    pub(super) leaving: &'a str,
    pub(super) budgets: &'a [BookkeeperBudget],
    /// Their data are removed in the end.
    pub(super) wipe: bool,
}

/// A sentence for each way.
pub(super) fn side_by_side(choice: Choice<'_>, possible: &[Possible]) -> Vec<String> {
    possible
        .iter()
        .map(|(way, can)| {
            let title = match *way == choice.chosen {
                true => format!("way={}, chosen", name(*way)),
                false => format!("way={}", name(*way)),
            };
            match can {
                Err(why) => format!("{title}: not possible: {why}"),
                Ok(()) => format!(
                    "{title}: redundancy meanwhile: {}; time: {}; load: {}; the way back: {}",
                    redundancy(*way),
                    time(*way, choice),
                    load(*way, choice),
                    back(*way, choice)
                ),
            }
        })
        .collect()
}

fn redundancy(way: BookkeeperWay) -> &'static str {
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => {
            "every ledger keeps all its copies at all times"
        }
        BookkeeperWay::Stop => {
            "every ledger of it has one copy less, until that one is made anew from the others"
        }
        BookkeeperWay::Expire => "every ledger keeps all its copies until it is deleted",
    }
}

/// Before a rate is seen.
pub(super) fn time(way: BookkeeperWay, choice: Choice<'_>) -> String {
    let Load { ledgers, bytes } = choice.load;
    let what = format!("{} of about {}", sizes::many(ledgers, "ledger"), sizes::text(bytes));
    let lasts = moving::lasts(choice.load, choice.budgets).map(sizes::about);
    let lasts = lasts.unwrap_or_else(|| "no end".to_owned());
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => format!("{lasts} for {what}"),
        // It waits for 30 s, and looks every five minutes at the least often.
        BookkeeperWay::Stop => format!("{lasts} for {what}, and up to 6 min more until it is seen"),
        BookkeeperWay::Expire => {
            format!("until {what} are deleted by those who wrote them: days or weeks")
        }
    }
}

fn load(way: BookkeeperWay, choice: Choice<'_>) -> String {
    let rates = budget::text(choice.budgets);
    match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => {
            let pace = match rates.as_str() {
                "" => "as fast as it goes".to_owned(),
                rates => format!("by the budget ({rates})"),
            };
            format!("the host of {} reads and sends all of it, {pace}", choice.leaving)
        }
        BookkeeperWay::Stop => {
            let pace = if budget::pauses(choice.budgets) {
                "as fast as they go; in hours of 0 autorecovery is switched off"
            } else {
                "as fast as they go"
            };
            format!("those who stay copy among themselves, {pace}")
        }
        BookkeeperWay::Expire => "none: nothing is copied".to_owned(),
    }
}

fn back(way: BookkeeperWay, choice: Choice<'_>) -> String {
    let until = if choice.wipe { "until its directories are emptied" } else { "until the end" };
    let how = match way {
        BookkeeperWay::Drain | BookkeeperWay::Unspecified => {
            "it is writable again; what was copied stays copied"
        }
        BookkeeperWay::Stop => {
            "the command is ended and the bookie started again; what was copied stays copied"
        }
        BookkeeperWay::Expire => "it is writable again, and nothing was done in vain",
    };
    format!("{until}: {how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice<'a>(budgets: &'a [BookkeeperBudget], wipe: bool) -> Choice<'a> {
        Choice {
            chosen: BookkeeperWay::Drain,
            load: Load { ledgers: 20_000, bytes: 100 << 30 },

            leaving: "bk4",
            budgets,
            wipe,
        }
    }

    fn all_possible() -> Vec<Possible> {
        ALL.into_iter().map(|way| (way, Ok(()))).collect()
    }

    #[test]
    fn each_way_is_told_with_what_it_costs() {
        let told = side_by_side(choice(&[], false), &all_possible());
        assert_eq!(
            told[0],
            "way=drain, chosen: redundancy meanwhile: every ledger keeps all its copies at all \
             times; time: 2 h to 3 h for 20000 ledgers of about 100.0 GiB; load: the host of bk4 \
             reads and sends all of it, as fast as it goes; the way back: until the end: it is \
             writable again; what was copied stays copied"
        );
        assert!(told[1].starts_with("way=stop: redundancy meanwhile: every ledger of it has one"));
        assert!(told[2].contains("load: none: nothing is copied"));
    }

    #[test]
    fn the_budget_and_a_wipe_are_told() {
        let night = BookkeeperBudget { begin_minute: 360, end_minute: 1320, bytes_per_s: 0 };
        let told = side_by_side(choice(std::slice::from_ref(&night), true), &all_possible());
        assert!(told[0].contains("by the budget (06:00-22:00 nothing)"), "{}", told[0]);
        assert!(told[1].contains("in hours of 0 autorecovery is switched off"), "{}", told[1]);
        assert!(told.iter().all(|one| one.contains("until its directories are emptied")));
    }

    #[test]
    fn what_is_not_possible_says_why() {
        let why = "BK-42: ledger 7 has its only copy at bk4".to_owned();
        let possible = [(BookkeeperWay::Stop, Err(why))];
        let told = side_by_side(choice(&[], false), &possible);
        assert_eq!(told, ["way=stop: not possible: BK-42: ledger 7 has its only copy at bk4"]);
    }
}
