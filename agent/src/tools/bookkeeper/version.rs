//! The version of the installed program: it tells none itself without a JVM, but its jar has it in its name.

use camino::Utf8Path;

use crate::host::Host;

const JAR: &str = "bookkeeper-server-";

/// Of `HOME/bin/bookkeeper`, from `HOME/lib`; empty: not known.
pub fn installed(host: &dyn Host, program: &Utf8Path) -> String {
    let Some(home) = program.parent().and_then(Utf8Path::parent) else { return String::new() };
    let names = host.list(&home.join("lib")).unwrap_or_default();
    let mut found: Vec<&str> = names.iter().filter_map(|name| of_jar(name)).collect();
    found.sort_unstable();
    found.dedup();
    // Of two nobody knows which one is loaded.
    match found.as_slice() {
        [one] => (*one).to_owned(),
        _ => String::new(),
    }
}

/// `[org.apache.bookkeeper-]bookkeeper-server-4.17.3.jar`; a jar of tests or sources is none.
fn of_jar(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".jar")?;
    let stem = stem.strip_prefix("org.apache.bookkeeper-").unwrap_or(stem);
    let version = stem.strip_prefix(JAR)?;
    let plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    let other =
        ["-tests", "-sources", "-javadoc", "-shaded"].iter().any(|end| version.ends_with(end));
    (plain && numbered && !other && version.len() <= 60).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jars_have_versions() {
        assert_eq!(of_jar("bookkeeper-server-4.17.3.jar"), Some("4.17.3"));
        assert_eq!(of_jar("org.apache.bookkeeper-bookkeeper-server-4.18.0.jar"), Some("4.18.0"));
        for other in [
            "bookkeeper-server-4.17.3-tests.jar",
            "bookkeeper-server-shaded-4.17.3.jar",
            "bookkeeper-common-4.17.3.jar",
            "bookkeeper-server-4.17.3",
        ] {
            assert_eq!(of_jar(other), None, "{other}");
        }
    }
}
