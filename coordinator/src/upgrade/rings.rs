//! Who comes when: one host first, then a quarter of the others, then the rest. Pure.

use bellows_proto::v1::{Fault, FaultCode, PlannedUpgrade, UpgradeOptions, UpgradePlan};

/// Hosts at once, if it is not said.
const AT_ONCE: u32 = 4;
const AT_ONCE_MOST: u32 = 32;
/// A ring is looked at for so long, seconds, if it is not said.
const HEALTHY: u32 = 30;
const HEALTHY_MOST: u32 = 3600;
/// Of a trial, seconds: least, usual, most. As the agents have it.
const WITHIN: (u32, u32, u32) = (5, 40, 45);
/// The second ring is this part of what the first one leaves.
const PART: usize = 4;

/// The options with what is usual in place of what was not said.
pub(super) fn filled(asked: &UpgradeOptions) -> Result<UpgradeOptions, Fault> {
    let or = |asked: u32, usual: u32| if asked == 0 { usual } else { asked };
    let options = UpgradeOptions {
        first: or(asked.first, 1),
        at_once: or(asked.at_once, AT_ONCE),
        healthy_s: Some(asked.healthy_s.unwrap_or(HEALTHY)),
        within_s: or(asked.within_s, WITHIN.1),
        downgrade: asked.downgrade,
    };
    let bad = |what: String| Err(Fault::new(FaultCode::Invalid, what).remedy("see --help"));
    if options.at_once > AT_ONCE_MOST {
        return bad(format!("{} hosts at once are more than {AT_ONCE_MOST}", options.at_once));
    }
    if !(WITHIN.0..=WITHIN.2).contains(&options.within_s) {
        let (least, _, most) = WITHIN;
        return bad(format!("a trial of {} s is not from {least} to {most} s", options.within_s));
    }
    if options.healthy_s.is_some_and(|healthy| healthy > HEALTHY_MOST) {
        return bad(format!("a ring is looked at for at most {HEALTHY_MOST} s"));
    }
    Ok(options)
}

/// Gives each host that gets something its ring, and puts the hosts in order.
pub(super) fn arranged(hosts: Vec<PlannedUpgrade>, first: u32) -> Vec<PlannedUpgrade> {
    let (mut gets, rest): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|one| one.to.is_some());
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let second = gets.len().saturating_sub(first).div_ceil(PART);
    for (index, one) in gets.iter_mut().enumerate() {
        one.ring = if index < first {
            1
        } else if index < first.saturating_add(second) {
            2
        } else {
            3
        };
    }
    gets.extend(rest);
    gets
}

/// Whether what was shown is what would be done now.
///
/// # Errors
/// What is different.
pub(super) fn check(shown: &UpgradePlan, now: &UpgradePlan) -> Result<(), Fault> {
    let differs = |host: &str, what: &str| {
        Err(Fault::new(FaultCode::Conflict, format!("{host}: {what} since the plan was shown"))
            .remedy("look at the plan again"))
    };
    for seen in &shown.hosts {
        let Some(one) = now.hosts.iter().find(|one| one.host == seen.host) else {
            return differs(&seen.host, "it left the site");
        };
        let digest = |program: &Option<bellows_proto::v1::Program>| {
            program.as_ref().map(|program| program.digest.clone())
        };
        // A host that got there by itself needs nothing any more.
        if one.there_already {
            continue;
        }
        if digest(&seen.to) != digest(&one.to) || seen.ring != one.ring {
            return differs(&seen.host, "what it gets, or when, is another");
        }
        if digest(&seen.running) != digest(&one.running) {
            return differs(&seen.host, "what runs there is another program");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::Program;

    fn hosts(gets: usize, skipped: usize) -> Vec<PlannedUpgrade> {
        let one = |index: usize, to: Option<Program>| PlannedUpgrade {
            host: format!("h{index:02}"),
            to,
            ..PlannedUpgrade::default()
        };
        let gets = (0..gets).map(|index| one(index, Some(Program::default())));
        gets.chain((0..skipped).map(|index| one(50 + index, None))).collect()
    }

    fn sizes(count: usize, first: u32) -> Vec<usize> {
        let arranged = arranged(hosts(count, 2), first);
        assert_eq!(arranged.iter().filter(|one| one.ring == 0).count(), 2);
        let of = |ring| arranged.iter().filter(|one| one.ring == ring).count();
        [1, 2, 3].map(of).to_vec()
    }

    #[test]
    fn one_then_some_then_the_rest() {
        assert_eq!(sizes(0, 1), [0, 0, 0]);
        assert_eq!(sizes(1, 1), [1, 0, 0]);
        assert_eq!(sizes(2, 1), [1, 1, 0]);
        assert_eq!(sizes(3, 1), [1, 1, 1]);
        assert_eq!(sizes(21, 1), [1, 5, 15]);
        assert_eq!(sizes(21, 3), [3, 5, 13]);
        assert_eq!(sizes(4, 9), [4, 0, 0]);
    }

    #[test]
    fn options_have_bounds() {
        let usual = filled(&UpgradeOptions::default()).unwrap();
        assert_eq!(
            (usual.first, usual.at_once, usual.healthy_s, usual.within_s),
            (1, 4, Some(30), 40)
        );
        for bad in [
            UpgradeOptions { at_once: 33, ..UpgradeOptions::default() },
            UpgradeOptions { within_s: 4, ..UpgradeOptions::default() },
            UpgradeOptions { within_s: 46, ..UpgradeOptions::default() },
            UpgradeOptions { healthy_s: Some(3601), ..UpgradeOptions::default() },
        ] {
            assert_eq!(filled(&bad).unwrap_err().code(), FaultCode::Invalid, "{bad:?}");
        }
        let none = UpgradeOptions { healthy_s: Some(0), ..UpgradeOptions::default() };
        assert_eq!(filled(&none).unwrap().healthy_s, Some(0));
    }

    #[test]
    fn what_was_shown_is_done_or_nothing() {
        let plan = |hosts| UpgradePlan { hosts, options: None };
        let shown = plan(arranged(hosts(3, 1), 1));
        assert!(check(&shown, &shown).is_ok());
        let gone = plan(arranged(hosts(2, 1), 1));
        assert!(check(&shown, &gone).unwrap_err().message.contains("left the site"));
        let mut other = shown.clone();
        other.hosts[0].running = Some(Program { digest: vec![1], ..Program::default() });
        assert_eq!(check(&shown, &other).unwrap_err().code(), FaultCode::Conflict);
    }
}
