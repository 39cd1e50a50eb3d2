//! The versions of a spec and what each changed.

use std::collections::BTreeMap;

use bellows_proto::v1::{ClusterHistory, OperationSummary, Spec, SpecNode};
use serde_json::Value;

use crate::cli::{
    page::{Page, Tone},
    text::date_time,
    words,
};

/// The newest first: which operation made it, and the difference to the version before.
pub fn history(page: &mut Page, history: &ClusterHistory) {
    let specs: Vec<&Spec> = history.versions.iter().filter_map(|one| one.spec.as_ref()).collect();
    for (index, version) in history.versions.iter().enumerate() {
        let Some(spec) = &version.spec else { continue };
        page.spans(&[
            (Tone::Strong, &format!("version {}", spec.version)),
            (Tone::Plain, &format!("  {}", made(page, spec, version.made_by.as_ref()))),
        ]);
        if let Some(remarks) = version.made_by.as_ref().and_then(|made| made.remarks.as_ref()) {
            let line = bellows_proto::remarks::line(remarks);
            if !line.is_empty() {
                page.line(Tone::Quiet, &format!("  {line}"));
            }
        }
        match specs.get(index + 1) {
            Some(before) => difference(page, before, spec),
            None if spec.version == 1 => difference(page, &Spec::default(), spec),
            None => page.line(Tone::Quiet, "  what it changed is not shown: see --limit"),
        }
    }
    if history.older > 0 {
        let older = usize::try_from(history.older).unwrap_or(usize::MAX);
        page.line(
            Tone::Quiet,
            &format!("{} before these: see --limit", words::count(older, "version")),
        );
    }
}

fn made(page: &Page, spec: &Spec, made_by: Option<&OperationSummary>) -> String {
    match made_by {
        Some(made) => format!(
            "{} by {}, operation {}, {}",
            made.kind,
            made.principal,
            made.operation,
            date_time(made.started_at_ms, &page.look().zone),
        ),
        None if spec.operation.is_empty() => "made by an operation that was not noted".to_owned(),
        None => format!("operation {}, of which nothing is known any more", spec.operation),
    }
}

/// A line per change.
fn difference(page: &mut Page, before: &Spec, after: &Spec) {
    let mut lines = Vec::new();
    if before.version == 0 {
        lines.push(format!("+ cluster {} ({})", after.cluster, words::system(after.system())));
    }
    let (old, new) = (nodes(before), nodes(after));
    for (name, node) in &new {
        match old.get(name) {
            None => lines.push(format!("+ node {name} on {}", node.host)),
            Some(known) if known.host != node.host => {
                lines.push(format!("~ node {name}: {} -> {}", known.host, node.host));
            }
            Some(known) if known != node => {
                lines.push(format!("~ node {name} on {}: its placement", node.host));
            }
            Some(_) => {}
        }
    }
    for (name, node) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        lines.push(format!("- node {name} on {}", node.host));
    }
    if before.highest_id != after.highest_id {
        lines.push(format!("~ highest id given: {} -> {}", before.highest_id, after.highest_id));
    }
    let (old, new) = (options(before), options(after));
    for (name, value) in &new {
        match old.get(name) {
            None => lines.push(format!("+ {name} = {value}")),
            Some(known) if known != value => lines.push(format!("~ {name}: {known} -> {value}")),
            Some(_) => {}
        }
    }
    for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        lines.push(format!("- {name} = {value}"));
    }
    if lines.is_empty() {
        lines.push("nothing that is shown".to_owned());
    }
    lines.iter().for_each(|line| page.line(Tone::Plain, &format!("  {line}")));
}

fn nodes(spec: &Spec) -> BTreeMap<&str, &SpecNode> {
    spec.nodes.iter().map(|node| (node.node.as_str(), node)).collect()
}

/// Every option by its path, e.g. "postgresql.version": no system is named here.
fn options(spec: &Spec) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let value = spec.options.as_ref().and_then(|options| serde_json::to_value(options).ok());
    flatten("", &value.unwrap_or_default(), &mut found);
    found
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, into));
        }
        Value::Null => {}
        Value::String(text) => drop(into.insert(path.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            into.insert(path.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Look;
    use bellows_proto::v1::{PostgresqlSpecOptions, SpecOptions, SpecVersion, spec_options};

    fn spec(version: u64, nodes: &[(&str, &str)], min_members: u32) -> Spec {
        let node = |(node, host): &(&str, &str)| SpecNode {
            node: (*node).into(),
            host: (*host).into(),
            placement: None,
        };
        let options = PostgresqlSpecOptions { min_members, ..PostgresqlSpecOptions::default() };
        Spec {
            cluster: "orders".into(),
            version,
            nodes: nodes.iter().map(node).collect(),
            options: Some(SpecOptions { system: Some(spec_options::System::Postgresql(options)) }),
            operation: format!("op{version}"),
            ..Spec::default()
        }
    }

    #[test]
    fn every_version_says_what_it_changed() {
        let made_by = OperationSummary {
            operation: "op3".into(),
            kind: "shrink".into(),
            principal: "alice (operator)".into(),
            started_at_ms: 1_700_000_000_000,
            ..OperationSummary::default()
        };
        let version = |spec, made_by| SpecVersion { spec: Some(spec), made_by };
        let versions = vec![
            version(spec(3, &[("pg1", "h1"), ("pg3", "h4")], 3), Some(made_by)),
            version(spec(2, &[("pg1", "h1"), ("pg2", "h2"), ("pg3", "h3")], 2), None),
            version(spec(1, &[("pg1", "h1")], 2), None),
        ];
        let told = ClusterHistory { cluster: "orders".into(), versions, older: 0 };
        let mut page = Page::new(&Look::plain());
        history(&mut page, &told);
        insta::assert_snapshot!(page.into_text());
    }
}
