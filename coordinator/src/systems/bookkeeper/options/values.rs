//! Values of options: numbers, quorums, and budgets by the hours of the day.

use bellows_proto::v1::{BookkeeperBudget, BookkeeperQuorum};

use super::{
    super::{budget::DAY, enough},
    places,
};

/// So many spans of a day at most.
const MOST_SPANS: usize = 24;
const LONGEST_NAME: usize = 200;

/// A whole number in its range.
pub(super) fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32, String> {
    match value.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            Err(format!("{key}={value}: a whole number from {least} to {most} is wanted"))
        }
    }
}

/// "tenant/namespace".
pub(super) fn namespace(name: &str) -> Result<&str, String> {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-=:._".contains(c))
    };
    let good = name.len() <= LONGEST_NAME
        && name.split_once('/').is_some_and(|(tenant, space)| word(tenant) && word(space));
    good.then_some(name)
        .ok_or_else(|| format!("policy.{name}: a namespace is wanted, like policy.public/default"))
}

/// "3/2/2": ensemble, write quorum, ack quorum; "3/2/2@g1+g2": on bookies of these isolation groups alone. Empty:
/// none is asked for.
pub(super) fn quorum(name: &str, value: &str) -> Result<Option<BookkeeperQuorum>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let odd = || {
        format!(
            "{name}={value}: ensemble, write quorum and ack quorum are wanted, like {name}=3/2/2, or {name}=3/2/2@GROUP"
        )
    };
    let (numbers, groups) = match value.split_once('@') {
        Some((numbers, groups)) => (numbers, groups.split('+').collect()),
        None => (value, Vec::new()),
    };
    for group in &groups {
        places::group(group).map_err(|_| odd())?;
    }
    let mut parts = numbers.split('/').map(|part| part.parse::<u32>());
    let mut next = || parts.next().and_then(Result::ok).ok_or_else(odd);
    let quorum = BookkeeperQuorum {
        name: name.to_owned(),
        ensemble: next()?,
        write_quorum: next()?,
        ack_quorum: next()?,
        groups: groups.into_iter().map(str::to_owned).collect(),
    };
    if parts.next().is_some() || quorum.ensemble > 1000 {
        return Err(odd());
    }
    enough::odd(&quorum).map_or(Ok(Some(quorum)), Err)
}

/// "22:00-06:00=50MB/s,06:00-22:00=0". Empty: none.
pub(super) fn budgets(value: &str) -> Result<Vec<BookkeeperBudget>, String> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let mut budgets = Vec::new();
    for span in value.split(',') {
        let budget = budget(span.trim()).ok_or_else(|| {
            format!(
                "budget={value}: {span:?} is not understood; like budget=22:00-06:00=50MB/s,06:00-22:00=0"
            )
        })?;
        budgets.push(budget);
    }
    if budgets.len() > MOST_SPANS {
        return Err(format!("budget={value}: {MOST_SPANS} spans at most"));
    }
    for (at, one) in budgets.iter().enumerate() {
        if budgets.iter().take(at).any(|other| overlap(one, other)) {
            return Err(format!("budget={value}: two spans have the same minute"));
        }
    }
    // Nothing would ever move.
    if budgets.iter().all(|one| one.bytes_per_s == 0) && minutes(&budgets) >= DAY {
        return Err(format!("budget={value}: there is no hour in which anything may be moved"));
    }
    Ok(budgets)
}

fn length(budget: &BookkeeperBudget) -> u32 {
    (budget.end_minute + DAY - budget.begin_minute - 1) % DAY + 1
}

fn minutes(budgets: &[BookkeeperBudget]) -> u32 {
    budgets.iter().map(length).sum()
}

/// Either begins within the other.
fn overlap(a: &BookkeeperBudget, b: &BookkeeperBudget) -> bool {
    let within = |begin: u32, span: &BookkeeperBudget| {
        (begin + DAY - span.begin_minute) % DAY < length(span)
    };
    within(a.begin_minute, b) || within(b.begin_minute, a)
}

fn budget(span: &str) -> Option<BookkeeperBudget> {
    let (hours, rate) = span.split_once('=')?;
    let (begin, end) = hours.split_once('-')?;
    Some(BookkeeperBudget {
        begin_minute: minute(begin, DAY - 1)?,
        // 24:00 is midnight.
        end_minute: minute(end, DAY)? % DAY,
        bytes_per_s: bytes(rate)?,
    })
}

/// "22:00", up to a minute of the day.
fn minute(text: &str, most: u32) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= most).then_some(all)
}

/// "50MB/s", "512kB/s", "1GB/s", "100B/s"; "0" alone: nothing.
fn bytes(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let rate = text.strip_suffix("/s")?;
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000), ("B", 1)];
    let (number, unit) =
        units.into_iter().find_map(|(name, unit)| Some((rate.strip_suffix(name)?, unit)))?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quorums_are_three_numbers() {
        let one = quorum("broker", "3/2/1").unwrap().unwrap();
        assert_eq!((one.ensemble, one.write_quorum, one.ack_quorum), (3, 2, 1));
        assert_eq!(quorum("broker", "").unwrap(), None);
        for wrong in ["3", "3/2", "3/2/2/1", "2/3/2", "3/2/0", "a/b/c", "9999/2/2", "3/ 2/2"] {
            assert!(quorum("broker", wrong).is_err(), "{wrong}");
        }
        assert!(namespace("public/default").is_ok());
        for wrong in ["public", "a/b/c", "/x", "x/", "a b/c"] {
            assert!(namespace(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn budgets_are_hours_and_rates() {
        let night = budgets("22:00-06:00=50MB/s,06:00-22:00=0").unwrap();
        let told: Vec<_> =
            night.iter().map(|one| (one.begin_minute, one.end_minute, one.bytes_per_s)).collect();
        assert_eq!(told, [(1320, 360, 50_000_000), (360, 1320, 0)]);
        assert_eq!(budgets("00:00-24:00=5kB/s").unwrap()[0].end_minute, 0);
        for wrong in [
            "22:00-06:00",
            "22:00=50MB/s",
            "22-06=50MB/s",
            "24:00-06:00=1MB/s",
            "22:60-06:00=1MB/s",
            "22:00-06:00=50",
            "22:00-06:00=50mb/s",
            "22:00-06:00=+5MB/s",
            "22:00-06:00=-1MB/s",
            "22:00-06:00=1MB/s,05:00-07:00=2MB/s",
            "00:00-24:00=0",
            "00:00-12:00=0,12:00-00:00=0",
            "00:00-24:00=99999999999999999999GB/s",
        ] {
            assert!(budgets(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_mistake(text in "\\PC*") {
            let _ = budgets(&text);
            let _ = quorum("broker", &text);
            let _ = namespace(&text);
        }
    }
}
