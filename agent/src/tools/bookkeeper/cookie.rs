//! A bookie's cookie, as `VERSION` files and `cookie_get` have it. Is no secret.

use bellows_proto::v1::{BookkeeperCookie, Fault, FaultCode};
use camino::Utf8Path;

use crate::facilities::Local;

const LIMIT: u64 = 64 * 1024;
const SHOWN: usize = 200;

/// The cookie that lies in a ledger or journal directory; `None`: there is none.
///
/// # Errors
/// If it cannot be read.
pub fn of_directory(
    local: &Local,
    directory: &Utf8Path,
) -> Result<Option<BookkeeperCookie>, Fault> {
    let path = directory.join("current/VERSION");
    let Some((bytes, _)) = local.host.read_guarded(&path, LIMIT)? else { return Ok(None) };
    let cookie = parse(&String::from_utf8_lossy(&bytes));
    cookie.map(Some).ok_or_else(|| {
        Fault::new(FaultCode::Unreadable, format!("{path} is no cookie of a bookie"))
            .remedy("look whether the directory is a bookie's")
    })
}

/// Reads its text; `None`: it is none.
pub fn parse(text: &str) -> Option<BookkeeperCookie> {
    let field = |name: &str| {
        let value =
            text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
        let value = value.trim().trim_matches('"');
        let quiet = |c: char| c.is_ascii_graphic() && c != '"';
        (value.len() <= SHOWN && !value.is_empty() && value.chars().all(quiet))
            .then(|| value.to_owned())
    };
    let layout = text.lines().next()?.trim();
    layout.parse::<u32>().ok()?;
    let instance = field("instanceId").unwrap_or_default();
    Some(BookkeeperCookie { bookie: field("bookieHost")?, instance })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cookie_names_bookie_and_instance() {
        let said = include_str!("../../../tests/bookkeeper_samples/4.17.3/shell_cookie_get");
        let text = said.split("---\n").nth(1).unwrap();
        let cookie = parse(text).unwrap();
        assert_eq!(cookie.bookie, "127.0.0.1:43004");
        assert_eq!(cookie.instance, "3e0929e2-abfd-44b0-b5c2-938c69f12a84");
        for bad in ["", "5", "5\n", "bookieHost: \"a\"", "5\nbookieHost: \"a\u{1b}\""] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn random_text_is_no_harm(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_read_is_plain(host in ".{0,40}", instance in ".{0,40}") {
            if let Some(cookie) = parse(&format!("5\nbookieHost: \"{host}\"\ninstanceId: \"{instance}\"\n")) {
                prop_assert!(cookie.bookie.bytes().chain(cookie.instance.bytes()).all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
