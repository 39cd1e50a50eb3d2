//! Statements that only this family of databases has: zones, cluster settings, jobs (facts sections 5, 6).
//!
//! Unconfirmed: the form of some values in `SHOW CLUSTER SETTING`.
#![allow(clippy::wildcard_enum_match_arm)] // See `eval`.

use sqlparser::tokenizer::Token;

use super::eval::unknown;
use super::tables;
use crate::kwdb::allocate::bytes_of;
use crate::kwdb::cluster::{Cluster, Zone};
use crate::kwdb::health::duration_ms;
use crate::kwdb::{Failure, Response, Table};

/// The words of a statement in capitals, for the beginning of it.
fn starts(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && words.iter().zip(tokens).all(|(wanted, token)| match token {
            Token::Word(word) => word.value.eq_ignore_ascii_case(wanted),
            _ => false,
        })
}

/// Answers a statement of these; `None` if it is another.
pub(crate) fn run(
    cluster: &mut Cluster,
    tokens: &[Token],
    user: &str,
) -> Result<Option<Response>, Failure> {
    let rest = |skip: usize| tokens.get(skip..).unwrap_or_default();
    let written = || unknown(&text(tokens));
    let response = if starts(tokens, &["SHOW", "ZONE", "CONFIGURATIONS"])
        || starts(tokens, &["SHOW", "ALL", "ZONE", "CONFIGURATIONS"])
    {
        Response::Table(zones(cluster))
    } else if starts(tokens, &["SHOW", "JOBS"]) {
        let source = tables::jobs(cluster);
        let shown = |row: &Vec<_>| row.iter().map(super::value::Value::shown).collect();
        Response::Table(Table {
            rows: source.rows.iter().map(shown).collect(),
            columns: source.columns,
        })
    } else if starts(tokens, &["SHOW", "CLUSTER", "SETTING"]) {
        let name = text(rest(3));
        let value = cluster.setting(&name).ok_or_else(|| no_setting(&name))?;
        Response::Table(Table { rows: vec![vec![Some(value.to_owned())]], columns: vec![name] })
    } else if starts(tokens, &["SET", "CLUSTER", "SETTING"]) {
        admin(user, "SET CLUSTER SETTING")?;
        let (name, value) = assignment(rest(3)).ok_or_else(written)?;
        set(cluster, &name, &value)?;
        Response::Tag("SET CLUSTER SETTING".to_owned())
    } else if starts(tokens, &["RESET", "CLUSTER", "SETTING"]) {
        admin(user, "RESET CLUSTER SETTING")?;
        let name = text(rest(3));
        cluster.setting(&name).ok_or_else(|| no_setting(&name))?;
        cluster.settings.remove(&name);
        cluster.note("set_cluster_setting", 0);
        Response::Tag("SET CLUSTER SETTING".to_owned())
    } else if starts(tokens, &["ALTER"]) && has_configure(tokens).is_some() {
        configure(cluster, tokens)?
    } else {
        return Ok(None);
    };
    Ok(Some(response))
}

fn admin(user: &str, what: &str) -> Result<(), Failure> {
    if user == "root" {
        return Ok(());
    }
    Err(Failure::coded("42501", format!("only users with the admin role are allowed to {what}")))
}

fn no_setting(name: &str) -> Failure {
    Failure::coded("42704", format!("unknown setting: {name}"))
}

/// Tokens as text, without blanks.
fn text(tokens: &[Token]) -> String {
    tokens.iter().filter(|token| **token != Token::SemiColon).map(ToString::to_string).collect()
}

/// `name = value` or `name TO value`; a text value comes without its quotes.
fn assignment(tokens: &[Token]) -> Option<(String, String)> {
    let at = tokens.iter().position(|token| {
        *token == Token::Eq
            || matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case("TO"))
    })?;
    let (name, value) = tokens.split_at_checked(at)?;
    Some((text(name), plain(value.get(1..)?)?))
}

fn plain(tokens: &[Token]) -> Option<String> {
    match tokens {
        [Token::SingleQuotedString(text)] => Some(text.clone()),
        [] => None,
        _ => Some(text(tokens)),
    }
}

fn set(cluster: &mut Cluster, name: &str, value: &str) -> Result<(), Failure> {
    let old = cluster.setting(name).ok_or_else(|| no_setting(name))?;
    let bad = |what: &str| {
        Failure::coded(
            "22023",
            format!("could not parse \"{value}\" as type {what}: invalid syntax"),
        )
    };
    let value = if matches!(old, "true" | "false") {
        match value.to_ascii_lowercase().as_str() {
            "true" | "on" => "true".to_owned(),
            "false" | "off" => "false".to_owned(),
            _ => return Err(bad("bool")),
        }
    } else if old.ends_with("iB") {
        bytes_of(value).ok_or_else(|| bad("bytes"))?;
        value.to_owned()
    } else {
        let ms = duration_ms(value).ok_or_else(|| bad("interval"))?;
        // Section 4.4: not below 75 s.
        if name == "server.time_until_store_dead" && ms < 75_000 {
            return Err(Failure::coded(
                "22023",
                format!("cannot set {name} to less than 1m15s: {value}"),
            ));
        }
        value.to_owned()
    };
    cluster.settings.insert(name.to_owned(), value);
    cluster.note("set_cluster_setting", 0);
    Ok(())
}

/// Several lines in one field: section 6.
fn zones(cluster: &Cluster) -> Table {
    let rows = cluster.zones.iter().map(|(target, zone)| {
        let options: Vec<String> =
            zone.options.iter().map(|(key, value)| format!("\t{key} = {value}")).collect();
        let raw = format!("ALTER {target} CONFIGURE ZONE USING\n{}", options.join(",\n"));
        vec![Some(target.clone()), Some(raw)]
    });
    Table { columns: vec!["target".to_owned(), "raw_config_sql".to_owned()], rows: rows.collect() }
}

fn has_configure(tokens: &[Token]) -> Option<usize> {
    (1..tokens.len())
        .find(|at| tokens.get(*at..).is_some_and(|rest| starts(rest, &["CONFIGURE", "ZONE"])))
}

/// `ALTER <target> CONFIGURE ZONE USING key = value, ...` or `... DISCARD`.
fn configure(cluster: &mut Cluster, tokens: &[Token]) -> Result<Response, Failure> {
    let written = || unknown(&text(tokens));
    let at = has_configure(tokens).ok_or_else(written)?;
    let target = target(tokens.get(1..at).ok_or_else(written)?).ok_or_else(written)?;
    let rest = tokens.get(at + 2..).ok_or_else(written)?;
    if starts(rest, &["DISCARD"]) {
        cluster.zones.remove(&target);
        rezone(cluster);
        return Ok(Response::Tag("CONFIGURE ZONE 1".to_owned()));
    }
    if !starts(rest, &["USING"]) {
        return Err(written());
    }
    let list = rest.get(1..).unwrap_or_default();
    let base = cluster.zones.get("RANGE default").cloned().unwrap_or(Zone { options: Vec::new() });
    let mut zone = cluster.zones.get(&target).cloned().unwrap_or(base);
    for one in list.split(|token| *token == Token::Comma) {
        let one: Vec<Token> = one.iter().filter(|t| **t != Token::SemiColon).cloned().collect();
        let (key, value) = assignment(&one).ok_or_else(written)?;
        let quoted = matches!(one.last(), Some(Token::SingleQuotedString(_)));
        let pins = matches!(key.as_str(), "constraints" | "lease_preferences");
        if pins && value != "[]" && !target.starts_with("PARTITION ") {
            return Err(Failure::coded(
                "0A000",
                "set zone config constraints and lease_preferences is not supported".to_owned(),
            ));
        }
        let shown = if quoted { format!("'{}'", value.replace('\'', "''")) } else { value };
        match zone.options.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = shown,
            None => {
                return Err(Failure::coded(
                    "22023",
                    format!("unsupported zone config parameter: \"{key}\""),
                ));
            }
        }
    }
    cluster.zones.insert(target, zone);
    rezone(cluster);
    Ok(Response::Tag("CONFIGURE ZONE 1".to_owned()))
}

/// `RANGE default`, `DATABASE d`, `TABLE d.t`, `PARTITION p OF TABLE d.t`.
fn target(tokens: &[Token]) -> Option<String> {
    let mut out = String::new();
    for token in tokens {
        let piece = token.to_string();
        let upper = piece.to_uppercase();
        let keyword =
            ["RANGE", "DATABASE", "TABLE", "PARTITION", "OF", "INDEX"].contains(&upper.as_str());
        let joined = out.ends_with('.') || piece == "." || out.ends_with('@') || piece == "@";
        if !out.is_empty() && !joined {
            out.push(' ');
        }
        out.push_str(if keyword { &upper } else { &piece });
    }
    let fits = ["RANGE ", "DATABASE ", "TABLE ", "PARTITION "].iter().any(|k| out.starts_with(k));
    fits.then_some(out)
}

/// Each range is under the narrowest zone that there is for it.
fn rezone(cluster: &mut Cluster) {
    let zones: Vec<String> = cluster.zones.keys().cloned().collect();
    for range in cluster.ranges.values_mut() {
        let names = [
            format!("{}.{}", range.database, range.table),
            format!("{}.public.{}", range.database, range.table),
            range.table.clone(),
        ];
        let of_table = |zone: &&String| {
            names.iter().any(|name| {
                **zone == format!("TABLE {name}")
                    || (zone.starts_with("PARTITION ")
                        && zone.ends_with(&format!(" OF TABLE {name}")))
            })
        };
        let table = zones.iter().find(of_table);
        let database = zones.iter().find(|zone| {
            !range.database.is_empty() && **zone == format!("DATABASE {}", range.database)
        });
        let named = zones.iter().find(|zone| **zone == format!("RANGE {}", range.table));
        let zone = table.or(database).or(named).map_or("RANGE default", String::as_str);
        zone.clone_into(&mut range.zone);
    }
}
