//! Versions of the programs, and the number of the protocol that they speak.

/// What this program speaks. Raised when an older peer could not be talked to any more: never by more
/// fields, values or calls.
pub const PROTOCOL: u32 = 1;
/// The oldest that it still speaks.
pub const OLDEST_PROTOCOL: u32 = 1;

/// Whether `version` is older than `other`, both as in semantic versioning; `None`: one of them is no version.
pub fn is_older(version: &str, other: &str) -> Option<bool> {
    let parse = |text: &str| semver::Version::parse(text).ok();
    Some(parse(version)?.cmp_precedence(&parse(other)?).is_lt())
}

/// Why an agent that speaks this protocol cannot be worked with, and what to do; empty: it can. One that tells
/// 0 is from before they were numbered, and speaks the first.
pub fn protocol_problem(protocol: u32, version: &str) -> String {
    let protocol = protocol.max(1);
    if protocol < OLDEST_PROTOCOL {
        format!("its agent {version} is too old for this coordinator: upgrade it by its package")
    } else if protocol > PROTOCOL {
        format!(
            "its agent {version} is too new for this coordinator: upgrade the coordinator first"
        )
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        assert_eq!(is_older("0.9.0", "0.10.0"), Some(true));
        assert_eq!(is_older("1.0.0-rc.1", "1.0.0"), Some(true));
        assert_eq!(is_older("1.0.0", "1.0.0"), Some(false));
        // What stands behind the plus is no part of the order.
        assert_eq!(is_older("1.0.0+a", "1.0.0+b"), Some(false));
        assert_eq!(is_older("1.0", "1.0.0"), None);
    }

    #[test]
    fn only_what_is_spoken_is_taken() {
        for protocol in [0, OLDEST_PROTOCOL, PROTOCOL] {
            assert_eq!(protocol_problem(protocol, "0.1.0"), "");
        }
        assert!(protocol_problem(PROTOCOL + 1, "9.0.0").contains("9.0.0 is too new"));
    }
}
