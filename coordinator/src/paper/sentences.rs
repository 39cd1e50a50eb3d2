//! Sentences that planners make, in the other language. Planners write English; what stands here is
//! told in the reader's language, everything else stays as it was written. A missing sentence is no
//! error: the docs say so.

use super::Lang;

mod bookkeeper;
mod kwdb;
mod table;

/// The sentence in a language; as it is where there is no translation.
pub(super) fn told(lang: Lang, sentence: &str) -> String {
    match lang {
        Lang::En => sentence.to_owned(),
        Lang::Zh => translated(sentence).unwrap_or_else(|| sentence.to_owned()),
    }
}

/// The Chinese of a planner's sentence; `None`: it has none, and is told in English.
pub fn translated(sentence: &str) -> Option<String> {
    let all = table::TABLE.iter().chain(kwdb::TABLE).chain(bookkeeper::TABLE);
    all.into_iter().find_map(|(english, chinese)| {
        let inserted: Vec<String> = fits(english, sentence)?
            .into_iter()
            .map(|part| match part.len() < sentence.len() {
                true => translated(part).unwrap_or_else(|| part.to_owned()),
                false => part.to_owned(),
            })
            .collect();
        Some(filled(chinese, &inserted))
    })
}

/// What stands at each `{}` of a form, if the text has it. Each takes as little as it can.
fn fits<'a>(form: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = form.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut inserted = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let last = pieces.peek().is_none();
        let (before, after) = match (piece.is_empty(), last) {
            (true, true) => (rest, ""),
            (false, true) => (rest.strip_suffix(piece)?, ""),
            (true, false) => return None,
            (false, false) => rest.split_once(piece)?,
        };
        if before.is_empty() {
            return None;
        }
        inserted.push(before);
        rest = after;
    }
    rest.is_empty().then_some(inserted)
}

/// A form with what is inserted at `{1}`, `{2}`, ...: in one pass, so that inserted text is never a form.
fn filled(form: &str, inserted: &[String]) -> String {
    let mut out = String::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((number, after)) = after.split_once('}') else { break };
        let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        out.push_str(at.and_then(|at| inserted.get(at)).map_or("", String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_keep_what_was_inserted() {
        assert_eq!(told(Lang::Zh, "clone pg4 on h4"), "在 h4 上克隆 pg4");
        assert_eq!(
            told(Lang::Zh, "register pg1 with repmgr on h1 as primary"),
            "在 h1 上把 pg1 以主节点身份注册到 repmgr"
        );
        assert_eq!(told(Lang::En, "clone pg4 on h4"), "clone pg4 on h4");
        assert_eq!(told(Lang::Zh, "something new"), "something new");
        assert_eq!(filled("{1}{2}{9}", &["{2}".to_owned(), "b".to_owned()]), "{2}b");
    }

    #[test]
    fn every_form_is_filled_whole() {
        for (english, chinese) in table::TABLE.iter().chain(kwdb::TABLE) {
            let wanted = english.matches("{}").count();
            for number in 1..=wanted {
                assert!(chinese.contains(&format!("{{{number}}}")), "{english}: {number}");
            }
            assert!(!chinese.contains(&format!("{{{}}}", wanted + 1)), "{english}");
        }
    }
}
