//! Names as newtypes: text becomes one of these at the edge and is never checked again.

use std::{cmp::Ordering, fmt, str::FromStr};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} name {text:?} is not valid: 1 to {max} characters of a-z, 0-9 and '-', beginning with a letter, not ending with '-'"
)]
pub struct InvalidName {
    kind: &'static str,
    text: String,
    max: usize,
}

fn is_valid(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_valid(text, $max) {
                    Ok(Self(text.to_owned()))
                } else {
                    let shown = text.chars().take(80).collect();
                    Err(InvalidName { kind: $kind, text: shown, max: $max })
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        /// Natural order: `node2` before `node10`.
        impl Ord for $type {
            fn cmp(&self, other: &Self) -> Ordering {
                natural(&self.0, &other.0)
            }
        }
    };
}

name!(
    /// A cluster's name. Unique within a site.
    ClusterName,
    "cluster",
    32
);
name!(
    /// A node's name. Unique within a cluster. Systems show it (repmgr's `node_name`).
    NodeName,
    "node",
    32
);
name!(
    /// A host's name within the site; chosen by the administrator, bound to the agent's key.
    HostName,
    "host",
    63
);

/// Compares texts with runs of digits by their value, so that `node2` comes before `node10`.
/// Equal values with other digits (`01`, `1`) fall back to the order of the texts.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, rest_left) = digits(left);
                let (y, rest_right) = digits(right);
                match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                    Ordering::Equal => (left, right) = (rest_left, rest_right),
                    unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
                }
            }
            (Some(x), Some(y)) => match x.cmp(y) {
                Ordering::Equal => {
                    left = left.split_first().map_or(&[], |(_, rest)| rest);
                    right = right.split_first().map_or(&[], |(_, rest)| rest);
                }
                unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
            },
        }
    }
}

/// The leading run of digits without its leading zeros, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    let zeros = run.iter().position(|b| *b != b'0').unwrap_or(run.len());
    (run.split_at(zeros).1, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_checked_at_the_edge() {
        for good in ["a", "pg1", "orders-db"] {
            assert_eq!(good.parse::<NodeName>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "1a", "-a", "a-", "A", "a_b", "a b", "a/../b", "é", &"a".repeat(33)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_is_natural() {
        let mut names = ["n10", "n9", "n1", "m2", "n2", "n10a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["m2", "n1", "n2", "n9", "n10", "n10a"]);
    }

    proptest! {
        #[test]
        fn order_is_total(a in "[a-c0-3]{0,6}", b in "[a-c0-3]{0,6}", c in "[a-c0-3]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_le() && natural(&b, &c).is_le() {
                prop_assert!(natural(&a, &c).is_le());
            }
        }
    }
}
