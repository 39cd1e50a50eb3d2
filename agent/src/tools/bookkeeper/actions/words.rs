//! What logs and answers say, cut for an error. Pure.

/// A line is shown so far, characters.
const LINE: usize = 300;
/// So many lines of a log.
const COMPLAINTS: usize = 2;

/// The last complaints of a log: its last lines of level ERROR, and the last cause that is told in words; else its last line.
/// What is at the bottom of a refused start is logged a line before the exception, which often has no words. `None`: it is empty.
pub(super) fn last_words(log: &str) -> Option<String> {
    let lines = || log.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let mut said: Vec<&str> = lines().filter_map(complaint).take(COMPLAINTS).collect();
    said.reverse();
    let in_words = |line: &&str| {
        (line.starts_with("Caused by: ") || is_exception(line)) && !line.ends_with(':')
    };
    said.extend(lines().find(in_words));
    if said.is_empty() {
        said.extend(lines().next());
    }
    said.dedup();
    let shown: Vec<String> = said.into_iter().map(cut).collect();
    (!shown.is_empty()).then(|| shown.join("; "))
}

/// What a line of level ERROR says, without time, thread and place.
fn complaint(line: &str) -> Option<&str> {
    let (before, said) = line.split_once("ERROR")?;
    // A level stands at the beginning, after a time at most.
    if before.len() > 40 || said.starts_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let said = said.trim_start_matches([' ', '-', '|']);
    let told =
        said.strip_prefix('[').and_then(|rest| rest.split_once("] - ")).map(|(_, told)| told);
    Some(told.unwrap_or(said))
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
                   2026-11-22 07:00:01,000 - ERROR - [main:LegacyCookieValidation@92] - There are directories without a cookie\n\
                   2026-11-22 07:00:01,000 - ERROR - [main:Main@232] - Failed to build bookie server\n\
                   org.apache.bookkeeper.bookie.BookieException$InvalidCookieException:\n\
                   \tat org.apache.bookkeeper.bookie.LegacyCookieValidation.checkCookies(LegacyCookieValidation.java:104)\n";
        assert_eq!(
            last_words(log).as_deref(),
            Some("There are directories without a cookie; Failed to build bookie server")
        );
        let caused = "12:00:00,123 ERROR Exception running bookie server\nCaused by: java.net.BindException: Address already in use\n";
        assert_eq!(
            last_words(caused).as_deref(),
            Some(
                "Exception running bookie server; Caused by: java.net.BindException: Address already in use"
            )
        );
        assert_eq!(last_words("a\n  b\n\n").as_deref(), Some("b"));
        assert_eq!(last_words(""), None);
        assert_eq!(reason(b"a\r\n  b \x1b[31m"), "a b [31m");
    }
}
