//! Reads `synchronous_standby_names`: how many standbys a commit waits for, and which.

use bellows_proto::v1::PostgresqlServer;

use super::view;

/// The setting of a server, where these standbys cannot fulfil it: its commits would wait for ever.
///
/// # Errors
/// If it was not read, or is not understood.
pub(super) fn unsatisfied<'s, 'a>(
    server: &'s PostgresqlServer,
    standbys: impl Iterator<Item = &'a str>,
) -> Result<Option<&'s str>, String> {
    let setting = view::setting(server, "synchronous_standby_names")
        .ok_or_else(|| "the setting synchronous_standby_names could not be read".to_owned())?;
    let satisfied = parse(setting)?.satisfied_by(standbys);
    Ok((!satisfied).then_some(setting))
}

/// What the setting demands.
#[derive(Debug, PartialEq, Eq)]
struct Demand {
    /// So many of the listed ones must confirm; 0: none.
    needed: usize,
    /// In the setting's order; `*` stands for any.
    names: Vec<String>,
}

impl Demand {
    /// Whether these standbys can fulfil it.
    fn satisfied_by<'a>(&self, standbys: impl Iterator<Item = &'a str>) -> bool {
        let listed = |standby: &str| {
            self.names.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(standby))
        };
        standbys.filter(|standby| listed(standby)).count() >= self.needed
    }
}

/// Parses the setting: empty, `a, b`, `2 (a, b)`, `FIRST 2 (a, b)`, `ANY 1 (a, b)`.
///
/// # Errors
/// Says what is not understood; it is never taken for "none".
fn parse(setting: &str) -> Result<Demand, String> {
    let text = setting.trim();
    if text.is_empty() {
        return Ok(Demand { needed: 0, names: Vec::new() });
    }
    let Some((head, rest)) = text.split_once('(') else {
        return Ok(Demand { needed: 1, names: names(text, setting)? });
    };
    let list = rest.trim_end().strip_suffix(')').ok_or_else(|| not_understood(setting))?;
    let words: Vec<&str> = head.split_whitespace().collect();
    let number = match words.as_slice() {
        [number] => number,
        [method, number]
            if method.eq_ignore_ascii_case("first") || method.eq_ignore_ascii_case("any") =>
        {
            number
        }
        _ => return Err(not_understood(setting)),
    };
    let needed = number.parse().map_err(|_| not_understood(setting))?;
    Ok(Demand { needed, names: names(list, setting)? })
}

fn names(list: &str, setting: &str) -> Result<Vec<String>, String> {
    list.split(',')
        .map(|name| {
            let name = name.trim();
            let bare =
                name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
            if bare.is_empty() || bare.contains(['"', '(', ')', ' ']) {
                return Err(not_understood(setting));
            }
            Ok(bare.to_owned())
        })
        .collect()
}

fn not_understood(setting: &str) -> String {
    format!("synchronous_standby_names is not understood: {setting:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(needed: usize, names: &[&str]) -> Result<Demand, String> {
        Ok(Demand { needed, names: names.iter().map(|name| (*name).to_owned()).collect() })
    }

    #[test]
    fn all_forms_are_read() {
        assert_eq!(parse(""), demand(0, &[]));
        assert_eq!(parse("pg2"), demand(1, &["pg2"]));
        assert_eq!(parse(" pg2 , \"pg-3\" "), demand(1, &["pg2", "pg-3"]));
        assert_eq!(parse("2 (pg2,pg3)"), demand(2, &["pg2", "pg3"]));
        assert_eq!(parse("FIRST 2 (pg2, pg3)"), demand(2, &["pg2", "pg3"]));
        assert_eq!(parse("any 1 (*)"), demand(1, &["*"]));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in ["FIRST (a)", "2 (a", "some 1 (a)", "a,,b", "1 ()", "ANY x (a)", "a b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_demand_counts_the_listed_ones() {
        let satisfied = |setting: &str, standbys: &[&str]| {
            parse(setting).map(|demand| demand.satisfied_by(standbys.iter().copied()))
        };
        assert_eq!(satisfied("FIRST 2 (pg1,pg3)", &["pg3"]), Ok(false));
        assert_eq!(satisfied("ANY 1 (pg1,pg3)", &["PG3"]), Ok(true));
        assert_eq!(satisfied("*", &[]), Ok(false));
        assert_eq!(satisfied("", &[]), Ok(true));
        assert_eq!(satisfied("2 (*)", &["a", "b"]), Ok(true));
    }
}
