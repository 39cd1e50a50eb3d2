//! libpq's password file: the entry of one login. Pure.
//!
//! Lines `host:port:database:user:password`; `*` fits everything; `\` takes the next
//! character as it is; `#` begins a comment; the first line that fits counts. libpq itself
//! reads the file for every other purpose: only `initdb` needs the password alone.
//! Source: PostgreSQL documentation, "The Password File".

use crate::facilities::secrets::Secret;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// As the client names the server.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// Database.
    pub database: &'a str,
    /// Role.
    pub user: &'a str,
}

/// The password of the first entry that fits; `None`: there is none, or it is empty.
pub fn find(file: &Secret, wanted: &Wanted<'_>) -> Option<Secret> {
    let port = wanted.port.to_string();
    file.expose()
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.starts_with(b"#"))
        .find_map(|line| {
            let mut rest = line;
            for value in [wanted.host, &port, wanted.database, wanted.user] {
                rest = field(rest, value.as_bytes())?;
            }
            Some(Secret::new(unescape(rest)))
        })
        .filter(|password| !password.expose().is_empty())
}

/// The rest of the line after a field that fits `value`; `None`: it does not fit.
fn field<'a>(line: &'a [u8], value: &[u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    while let Some(byte) = line.get(end) {
        match byte {
            b':' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let text = line.get(..end)?;
    let rest = line.get(end + 1..)?;
    (text == b"*" || unescape(text) == value).then_some(rest)
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' {
            plain.extend(bytes.next());
        } else {
            plain.push(*byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: Wanted<'static> =
        Wanted { host: "10.0.0.1", port: 5432, database: "repmgr", user: "repmgr" };

    fn password(file: &[u8]) -> Option<Vec<u8>> {
        find(&Secret::new(file.to_vec()), &WANTED).map(|secret| secret.expose().to_vec())
    }

    #[test]
    fn the_first_entry_that_fits_counts() {
        let file = b"# *:*:*:repmgr:no\nother:*:*:repmgr:no\n*:5433:*:*:no\n10.0.0.1:5432:*:repmgr:a\\:b\\\\c:d\r\n*:*:*:*:no\n";
        assert_eq!(password(file), Some(b"a:b\\c:d".to_vec()));
        assert_eq!(password(b"*:*:*:postgres:x\n"), None);
        assert_eq!(password(b"*:*:*:repmgr:\n"), None);
        assert_eq!(password(b"*:*:*:repmgr"), None);
        assert_eq!(password(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = password(&bytes);
        }

        #[test]
        fn any_password_is_found(secret in "[^\n\r\0]{1,20}") {
            let escaped = secret.replace('\\', "\\\\").replace(':', "\\:");
            let file = format!("*:*:*:repmgr:{escaped}\n");
            prop_assert_eq!(password(file.as_bytes()), Some(secret.into_bytes()));
        }
    }
}
