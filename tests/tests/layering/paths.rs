//! What a Rust source names: the paths of its `use` lines and expressions, resolved to crate and module,
//! without comments and test code. A scanner of tokens, no parser: enough for the rules that stand on it.

use std::collections::BTreeMap;

/// What one file names. Lines count from 1.
#[derive(Debug, Default)]
pub struct Source {
    /// The file, for messages.
    pub file: String,
    /// Crate folder and module path, such as `coordinator::engine::ports`.
    pub module: String,
    /// Every path with the line where it stands: ours from the crate folder on, others' from the crate on.
    pub paths: Vec<(usize, String)>,
    /// Every name, and every string.
    pub words: Vec<(usize, String)>,
    /// Line of the first `async`.
    pub first_async: Option<usize>,
    /// Modules that stand in files of their own and are compiled for tests only.
    pub test_modules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Name,
    Text,
    Mark,
}

#[derive(Debug, Clone)]
struct Token {
    line: usize,
    kind: Kind,
    text: String,
}

/// Reads a source of this module.
pub fn scan(file: &str, module: &str, text: &str) -> Source {
    let mut source =
        Source { file: file.to_owned(), module: module.to_owned(), ..Source::default() };
    let tokens = without_tests(tokens(text), &mut source);
    let mut imported = BTreeMap::new();
    let mut raw = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let importing = is(&tokens, at, "use");
        let start = at + usize::from(importing);
        let before = |back: usize| start.checked_sub(back).map(|at| &tokens[at]);
        // `a::b` is read from `a` on; in `x.b` there is no path, and `::a` has nothing before it.
        let inside = before(1).is_some_and(|token| token.text == ".")
            || before(1).is_some_and(|token| token.text == "::")
                && before(2).is_some_and(|token| token.kind == Kind::Name || token.text == ">");
        let names_path = tokens.get(start).is_some_and(|token| token.kind == Kind::Name)
            && is(&tokens, start + 1, "::");
        if importing || (names_path && !inside) {
            let mut found = Vec::new();
            at = tree(&tokens, start, &[], &mut found).max(at + 1);
            for (line, path, name) in found {
                if importing {
                    imported.insert(name, path.clone());
                }
                raw.push((line, path, importing));
            }
        } else {
            at += 1;
        }
    }
    for (line, path, importing) in raw {
        let path = match path.split_first() {
            Some((first, rest)) if !importing && imported.contains_key(first) => {
                [imported[first].as_slice(), rest].concat()
            }
            _ => path,
        };
        source.paths.extend(resolve(module, &path).map(|path| (line, path)));
    }
    source.paths.dedup();
    source.first_async = tokens.iter().find(|token| token.text == "async").map(|token| token.line);
    source.words = tokens
        .into_iter()
        .filter(|token| token.kind != Kind::Mark)
        .map(|token| (token.line, token.text))
        .collect();
    source
}

type Found = (usize, Vec<String>, String);

/// Reads a path or a tree of paths, as in `a::{b, c::*, d as e}`; returns where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Found>) -> usize {
    if is(tokens, at, "::") {
        at += 1;
    }
    if is(tokens, at, "{") {
        at += 1;
        while at < tokens.len() && !is(tokens, at, "}") {
            let next = tree(tokens, at, prefix, found);
            at = if is(tokens, next, ",") || next == at { next + 1 } else { next };
        }
        return at + 1;
    }
    let Some(token) = tokens.get(at).filter(|token| token.kind == Kind::Name || token.text == "*")
    else {
        return at;
    };
    let mut path = prefix.to_vec();
    // `a::{self}` is `a`.
    if token.text != "self" || prefix.is_empty() {
        path.push(token.text.clone());
    }
    at += 1;
    let goes_on = tokens
        .get(at + 1)
        .is_some_and(|next| next.kind == Kind::Name || next.text == "{" || next.text == "*");
    if is(tokens, at, "::") && goes_on {
        return tree(tokens, at, &path, found);
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if is(tokens, at, "as") {
        name = tokens.get(at + 1).map_or(name, |alias| alias.text.clone());
        at += 2;
    }
    found.push((token.line, path, name));
    at
}

/// From the crate on; `None` for what is local (`Self::new`, a name of this file).
fn resolve(module: &str, path: &[String]) -> Option<String> {
    let mut base: Vec<&str> = module.split("::").collect();
    let mut rest: Vec<&str> = path.iter().map(String::as_str).collect();
    match *rest.first()? {
        "crate" => base.truncate(1),
        "self" => {}
        "super" => {
            while rest.get(1) == Some(&"super") {
                base.pop();
                rest.remove(0);
            }
            base.pop();
        }
        "bellows_proto" => base = vec!["proto"],
        "bellows_agent" => base = vec!["agent"],
        "bellows" => base = vec!["coordinator"],
        first if first.starts_with(char::is_uppercase) => return None,
        _ => return Some(rest.join("::")),
    }
    rest.remove(0);
    Some([base, rest].concat().join("::"))
}

/// Leaves out every item under `#[cfg(test)]`, and notes modules of that kind in files of their own.
fn without_tests(tokens: Vec<Token>, source: &mut Source) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let marked = ["#", "[", "cfg", "(", "test", ")", "]"]
            .iter()
            .enumerate()
            .all(|(offset, text)| is(&tokens, at + offset, text));
        if !marked {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let begin = at + 7;
        at = end_of_item(&tokens, begin);
        let item = &tokens[begin..at.min(tokens.len())];
        if let Some(named) = (0..item.len()).find(|at| is(item, *at, "mod"))
            && is(item, named + 2, ";")
        {
            source.test_modules.push(format!("{}::{}", source.module, item[named + 1].text));
        }
    }
    kept
}

/// After the item's `;` or closing brace, its attributes included.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text.as_str() {
            _ if token.kind != Kind::Mark => {}
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    // `use a::{b};` goes on to its semicolon.
                    return at + usize::from(is(tokens, at, ";"));
                }
            }
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}

fn is(tokens: &[Token], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.kind != Kind::Text && token.text == text)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let (kind, length) = next_token(&text[at..]);
        let read = &text[at..at + length];
        if let Some(kind) = kind {
            tokens.push(Token { line, kind, text: read.to_owned() });
        }
        line += read.matches('\n').count();
        at += length;
    }
    tokens
}

/// Kind (`None`: blank, comment, number, lifetime) and length of what begins here.
fn next_token(rest: &str) -> (Option<Kind>, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    let word =
        |text: &str| text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, block_comment(rest));
    }
    if let Some(length) = raw_string(rest) {
        return (Some(Kind::Text), length);
    }
    match first {
        '"' => (Some(Kind::Text), quoted(rest, '"')),
        '\'' => {
            // A character has its closing quote; a lifetime has none.
            let inner: Vec<char> = rest.chars().skip(1).take(2).collect();
            let lifetime = inner.first() != Some(&'\\') && inner.get(1) != Some(&'\'');
            (None, if lifetime { 1 + word(&rest[1..]) } else { quoted(rest, '\'') })
        }
        _ if rest.starts_with("b\"") || rest.starts_with("c\"") => {
            (Some(Kind::Text), 1 + quoted(&rest[1..], '"'))
        }
        _ if rest.starts_with("b'") => (None, 1 + quoted(&rest[1..], '\'')),
        _ if first.is_ascii_digit() => (None, word(rest)),
        _ if first == '_' || first.is_alphabetic() => (Some(Kind::Name), word(rest)),
        _ if first.is_whitespace() => (None, first.len_utf8()),
        _ if ["::", "->", "=>"].iter().any(|mark| rest.starts_with(mark)) => (Some(Kind::Mark), 2),
        _ => (Some(Kind::Mark), first.len_utf8()),
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of `r"…"`, `br#"…"#` and their like, if one begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        let hashes = rest.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        hashes.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let body = rest.find('"')? + 1;
    let end = format!("\"{}", "#".repeat(body - 1 - prefix.len()));
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
