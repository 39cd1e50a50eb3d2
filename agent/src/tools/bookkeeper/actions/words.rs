//! What logs and answers say, cut for an error. Pure.

/// A line is shown so far, characters.
const LINE: usize = 300;

/// The last complaints of a log: its last line of level ERROR or with an exception's name at its beginning; else its last line.
/// `None`: it is empty.
pub(super) fn last_words(log: &str) -> Option<String> {
    let lines = || log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let cause = lines().find(|line| line.starts_with("Caused by: ") || is_exception(line));
    let error = lines().find(|line| line.contains(" ERROR ") || line.starts_with("ERROR"));
    let mut said: Vec<&str> = error.into_iter().chain(cause).collect();
    if said.is_empty() {
        said.extend(lines().next());
    }
    said.dedup();
    let shown: Vec<String> = said.into_iter().map(cut).collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// "org.apache.bookkeeper.bookie.BookieException$InvalidCookieException: words"
fn is_exception(line: &str) -> bool {
    let name = line.split([':', ' ']).next().unwrap_or_default();
    name.contains('.') && (name.ends_with("Exception") || name.ends_with("Error"))
}

/// A body of a refusal in one line.
pub(super) fn reason(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&words.join(" "))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_start_tells_why() {
        let log = "2026-11-22 07:00:00,000 - INFO  - [main:Main@1] - Hello\n\
                   2026-11-22 07:00:01,000 - ERROR - [main:Main@232] - Failed to build bookie server\n\
                   org.apache.bookkeeper.bookie.BookieException$InvalidCookieException: There are directories without a cookie\n\
                   \tat org.apache.bookkeeper.bookie.LegacyCookieValidation.checkCookies(LegacyCookieValidation.java:104)\n";
        let words = last_words(log).unwrap_or_default();
        assert!(words.contains("Failed to build bookie server"), "{words}");
        assert!(words.ends_with("There are directories without a cookie"), "{words}");
        assert_eq!(last_words("a\n  b\n\n").as_deref(), Some("b"));
        assert_eq!(last_words(""), None);
        assert_eq!(reason(b"a\r\n  b \x1b[31m"), "a b [31m");
    }
}
