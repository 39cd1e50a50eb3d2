//! Constraints and lease preferences of a zone, read from the text that the tool prints and written again
//! without some of them.
//!
//! The text is a small part of YAML: `[+region=a, -region=b]`, `{"+region=a,+rack=1": 2, +region=b: 1}` and,
//! for lease preferences, `[[+region=a], [+region=b]]`.

/// One demand: "+region=NODE4".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// "+": such a node is wanted; "-": it is forbidden.
    pub(super) wanted: bool,
    /// Empty: an attribute of stores, not a tier of a locality.
    pub(super) key: String,
    pub(super) value: String,
}

/// Demands that one node is to fulfil together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) terms: Vec<Term>,
    /// For so many replicas; `None`: for all of them.
    pub(super) replicas: Option<u32>,
}

/// Rules, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `[a, b]`: one rule.
    List,
    /// `{a: 1, b: 2}`
    Map,
    /// `[[a], [b]]`
    Lists,
}

/// What the text is made of.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Mark(char),
    Word(String),
}

impl Term {
    /// "+region=NODE4" or "-ssd".
    fn read(text: &str) -> Result<Self, String> {
        let (wanted, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => match text.strip_prefix('-') {
                Some(rest) => (false, rest),
                None => return Err(format!("{text:?} begins with neither + nor -")),
            },
        };
        let (key, value) = rest.split_once('=').unwrap_or(("", rest));
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        if value.is_empty() {
            return Err(format!("{text:?} names nothing"));
        }
        Ok(Self { wanted, key, value })
    }

    pub(super) fn text(&self) -> String {
        let sign = if self.wanted { '+' } else { '-' };
        match self.key.as_str() {
            "" => format!("{sign}{}", self.value),
            key => format!("{sign}{key}={}", self.value),
        }
    }
}

impl Rule {
    fn text(&self) -> String {
        self.terms.iter().map(Term::text).collect::<Vec<_>>().join(",")
    }
}

impl Rules {
    /// Reads what the tool printed; nothing at all are no rules.
    ///
    /// # Errors
    /// Says what is not understood.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut left = tokens(text)?;
        left.reverse();
        let rules = match left.pop() {
            None => return Ok(Self { rules: Vec::new(), form: Form::List }),
            Some(Token::Mark('{')) => map(&mut left),
            Some(Token::Mark('[')) => list(&mut left),
            Some(_) => Err("it is neither a list nor a map".to_owned()),
        };
        match rules {
            Ok(rules) if left.is_empty() => Ok(rules),
            Ok(_) => Err(format!("{text:?}: something follows its end")),
            Err(why) => Err(format!("{text:?}: {why}")),
        }
    }

    /// The same without some of the terms; rules without a term go.
    pub(super) fn without(&self, gone: impl Fn(&Term) -> bool) -> Self {
        let mut rules = self.rules.clone();
        rules.iter_mut().for_each(|rule| rule.terms.retain(|term| !gone(term)));
        rules.retain(|rule| !rule.terms.is_empty());
        Self { rules, form: self.form }
    }

    /// As it is written in a statement, between its quotes.
    pub(super) fn text(&self) -> String {
        let each = self.rules.iter();
        let text = match self.form {
            Form::List => format!("[{}]", each.map(Rule::text).collect::<Vec<_>>().join(",")),
            Form::Lists => {
                let inner: Vec<String> = each.map(|rule| format!("[{}]", rule.text())).collect();
                format!("[{}]", inner.join(","))
            }
            Form::Map if self.rules.is_empty() => "[]".to_owned(),
            Form::Map => {
                let count = |rule: &Rule| rule.replicas.unwrap_or(0);
                let inner: Vec<String> =
                    each.map(|rule| format!("\"{}\": {}", rule.text(), count(rule))).collect();
                format!("{{{}}}", inner.join(", "))
            }
        };
        text.replace('\'', "''")
    }
}

/// After `{`.
fn map(left: &mut Vec<Token>) -> Result<Rules, String> {
    let mut rules = Vec::new();
    loop {
        match left.pop() {
            Some(Token::Mark('}')) => return Ok(Rules { rules, form: Form::Map }),
            Some(Token::Mark(',')) => {}
            Some(Token::Word(key)) => {
                let (Some(Token::Mark(':')), Some(Token::Word(count))) = (left.pop(), left.pop())
                else {
                    return Err(format!("{key:?} has no number"));
                };
                let count = count.parse().map_err(|_| format!("{count:?} is no number"))?;
                let terms = key.split(',').map(|term| Term::read(term.trim()));
                let terms = terms.collect::<Result<_, _>>()?;
                rules.push(Rule { terms, replicas: Some(count) });
            }
            Some(Token::Mark(mark)) => return Err(format!("{mark:?} is in a wrong place")),
            None => return Err("it has no end".to_owned()),
        }
    }
}

/// After `[`.
fn list(left: &mut Vec<Token>) -> Result<Rules, String> {
    let (mut terms, mut inner) = (Vec::new(), Vec::new());
    loop {
        match left.pop() {
            Some(Token::Mark(']')) => break,
            Some(Token::Mark(',')) => {}
            Some(Token::Word(term)) => terms.push(Term::read(&term)?),
            Some(Token::Mark('[')) => inner.push(inner_list(left)?),
            Some(Token::Mark(mark)) => return Err(format!("{mark:?} is in a wrong place")),
            None => return Err("it has no end".to_owned()),
        }
    }
    match (terms.is_empty(), inner.is_empty()) {
        (true, true) => Ok(Rules { rules: Vec::new(), form: Form::List }),
        (false, true) => {
            Ok(Rules { rules: vec![Rule { terms, replicas: None }], form: Form::List })
        }
        (true, false) => Ok(Rules { rules: inner, form: Form::Lists }),
        (false, false) => Err("lists and demands are mixed".to_owned()),
    }
}

fn inner_list(left: &mut Vec<Token>) -> Result<Rule, String> {
    let mut terms = Vec::new();
    loop {
        match left.pop() {
            Some(Token::Mark(']')) => return Ok(Rule { terms, replicas: None }),
            Some(Token::Mark(',')) => {}
            Some(Token::Word(term)) => terms.push(Term::read(&term)?),
            Some(Token::Mark(mark)) => return Err(format!("{mark:?} is in a wrong place")),
            None => return Err("it has no end".to_owned()),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\n' | '\r' => {}
            '[' | ']' | '{' | '}' | ',' => tokens.push(Token::Mark(char)),
            // Only before a blank or the end it is a separator: a name may contain one.
            ':' if chars.peek().is_none_or(|next| next.is_whitespace()) => {
                tokens.push(Token::Mark(':'));
            }
            '"' | '\'' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        Some(end) if end == char && chars.peek() == Some(&char) => {
                            chars.next();
                            word.push(char);
                        }
                        Some(end) if end == char => break,
                        Some(other) => word.push(other),
                        None => return Err(format!("{text:?}: a quote has no end")),
                    }
                }
                tokens.push(Token::Word(word));
            }
            first => {
                let mut word = String::from(first);
                while let Some(&next) = chars.peek() {
                    let mut ahead = chars.clone();
                    ahead.next();
                    let ends = match next {
                        '[' | ']' | '{' | '}' | ',' => true,
                        ':' => ahead.peek().is_none_or(|after| after.is_whitespace()),
                        _ => false,
                    };
                    if ends {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push(Token::Word(word.trim_end().to_owned()));
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        Rules::read(text).unwrap().text()
    }

    #[test]
    fn what_is_printed_is_read_and_written_again() {
        let table = [
            ("", "[]"),
            ("[]", "[]"),
            ("{}", "[]"),
            ("[+region=NODE4]", "[+region=NODE4]"),
            ("[+region=NODE4, -region=NODE1]", "[+region=NODE4,-region=NODE1]"),
            ("['+region=NODE4', \"-rack=1:2\"]", "[+region=NODE4,-rack=1:2]"),
            (
                "{+region=NODE1: 1, +region=NODE2: 2}",
                "{\"+region=NODE1\": 1, \"+region=NODE2\": 2}",
            ),
            ("{\"+region=a,+rack=b\": 1}", "{\"+region=a,+rack=b\": 1}"),
            (
                "[[+region=NODE1], [+region=NODE2, -rack=x]]",
                "[[+region=NODE1],[+region=NODE2,-rack=x]]",
            ),
            ("[+ssd]", "[+ssd]"),
            ("[+region=it''s]", "[+region=it''''s]"),
        ];
        for (text, written) in table {
            assert_eq!(again(text), written, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in [
            "[",
            "{+a=b: 1",
            "[region=a]",
            "{+a=b: x}",
            "{+a=b}",
            "[+]",
            "x",
            "[] []",
            "['+a=b]",
            "[+a=b, [+c=d]]",
        ] {
            assert!(Rules::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_that_has_no_demand_left_goes() {
        let rules = Rules::read("{\"+region=NODE4,+rack=1\": 1, +region=NODE4: 1}").unwrap();
        let rest = rules.without(|term| term.value == "NODE4");
        assert_eq!(rest.text(), "{\"+rack=1\": 1}");
        assert_eq!(rules.without(|_| true).text(), "[]");
    }
}
