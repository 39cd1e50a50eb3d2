//! What a cluster is to be, as a file says it or an earlier version of its spec; and the operations that
//! lead there. Pure.

use std::collections::BTreeMap;

use bellows_proto::{
    names::{ClusterName, HostName, NodeName, natural},
    v1::{
        Create, Expand, Intent, KeyValue, NodeAt, Reconfigure, Shrink, Spec, System, intent::Verb,
    },
};
use serde_json::Value;

use super::words;

/// A cluster as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its name.
    pub cluster: String,
    /// The kind of software.
    pub system: System,
    /// Host by node.
    nodes: BTreeMap<String, String>,
    /// As `--option` of `cluster create` takes them. What is not named is not compared.
    options: BTreeMap<String, String>,
}

/// The file, before its words are names.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: String,
    system: String,
    nodes: BTreeMap<String, String>,
    #[serde(default)]
    options: BTreeMap<String, toml::Value>,
}

/// One operation on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What is different, a line each.
    pub lines: Vec<String>,
    /// What to ask for.
    pub intent: Intent,
    /// And with which options.
    pub options: Vec<KeyValue>,
}

impl Wanted {
    /// From the text of a TOML file.
    ///
    /// # Errors
    /// What is wrong with it, for the eyes, with the line where it is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        let cluster: ClusterName = file.cluster.parse().map_err(|e| format!("cluster: {e}"))?;
        let system = words::parse_system(&file.system).map_err(|e| format!("system: {e}"))?;
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (node, host) in &file.nodes {
            node.parse::<NodeName>().map_err(|e| format!("nodes: {e}"))?;
            host.parse::<HostName>().map_err(|e| format!("nodes.{node}: {e}"))?;
            if let Some(other) = taken.insert(host, node) {
                return Err(format!("nodes: {other} and {node} are both on host {host}"));
            }
        }
        if file.nodes.is_empty() {
            let remedy = "`bellows cluster delete` forgets a cluster";
            return Err(format!("nodes: there are none; {remedy}"));
        }
        let option = |(key, value): (String, toml::Value)| Ok((key.clone(), plain(&key, value)?));
        let options = file.options.into_iter().map(option).collect::<Result<_, String>>()?;
        Ok(Self { cluster: cluster.to_string(), system, nodes: file.nodes, options })
    }

    /// The nodes of a version of a spec. Its options are compared too.
    pub fn of_spec(spec: &Spec) -> Self {
        Self {
            cluster: spec.cluster.clone(),
            system: spec.system(),
            nodes: nodes(spec),
            options: options(spec),
        }
    }

    /// An earlier version of a spec: what it did not have is to be nothing again.
    pub fn of_version(earlier: &Spec, now: &Spec) -> Self {
        let mut wanted = Self::of_spec(earlier);
        for (key, is) in options(now) {
            let nothing = if is.parse::<u64>().is_ok() { "0" } else { "" };
            wanted.options.entry(key).or_insert_with(|| nothing.to_owned());
        }
        wanted
    }

    /// As the file that says the same.
    pub fn text(&self) -> String {
        let mut nodes: Vec<_> = self.nodes.iter().collect();
        nodes.sort_by(|one, other| natural(one.0, other.0));
        let quoted = |text: &str| Value::from(text).to_string();
        let system = words::system(self.system);
        let mut text = format!("cluster = {:?}\nsystem = {system:?}\n\n[nodes]\n", self.cluster);
        for (node, host) in nodes {
            text.push_str(&format!("{node} = {}\n", quoted(host)));
        }
        if !self.options.is_empty() {
            text.push_str("\n[options]\n");
        }
        for (key, value) in &self.options {
            let value = match value.parse::<u64>() {
                Ok(number) => number.to_string(),
                Err(_) => quoted(value),
            };
            text.push_str(&format!("{key} = {value}\n"));
        }
        text
    }

    /// The operations that lead from a spec to this, in their order; empty: it is like that already.
    /// `now`: `None` where there is no such cluster.
    ///
    /// # Errors
    /// What no operation can do, for the eyes.
    pub fn changes(&self, now: Option<&Spec>) -> Result<Vec<Change>, String> {
        let Some(now) = now else {
            return Ok(vec![self.create()]);
        };
        self.same_kind(now)?;
        let there = nodes(now);
        let mut added: Vec<NodeAt> = Vec::new();
        for (node, host) in &self.nodes {
            match there.get(node) {
                None => added.push(NodeAt { node: node.clone(), host: host.clone() }),
                Some(known) if known == host => {}
                Some(known) => {
                    return Err(format!(
                        "{node} is on host {known} and is wanted on {host}: a node does not move; give the one on {host} another name"
                    ));
                }
            }
        }
        let mut gone: Vec<String> =
            there.keys().filter(|node| !self.nodes.contains_key(*node)).cloned().collect();
        added.sort_by(|one, other| natural(&one.node, &other.node));
        gone.sort_by(|one, other| natural(one, other));
        let mut changes = Vec::new();
        if !added.is_empty() {
            let lines = added.iter().map(plus).collect();
            changes.push(self.change(lines, Verb::Expand(Expand { nodes: added })));
        }
        // In between: a greater minimum is kept by those who have joined, a lesser one lets members go.
        changes.extend(self.reconfigure(now));
        if !gone.is_empty() {
            let minus = |node: &String| {
                format!("- node {node} on {}", there.get(node).map_or("", String::as_str))
            };
            let lines = gone.iter().map(minus).collect();
            changes.push(self.change(lines, Verb::Shrink(Shrink { nodes: gone, by: 0 })));
        }
        Ok(changes)
    }

    fn same_kind(&self, now: &Spec) -> Result<(), String> {
        if now.system() != self.system {
            let (is, wanted) = (words::system(now.system()), words::system(self.system));
            return Err(format!("{} is a cluster of {is}, not of {wanted}", self.cluster));
        }
        Ok(())
    }

    /// The options that become others.
    fn reconfigure(&self, now: &Spec) -> Option<Change> {
        let there = options(now);
        let mut lines = Vec::new();
        let mut pairs = Vec::new();
        for (key, wanted) in &self.options {
            // What is nothing is not written down.
            let is = there.get(key).map_or("", String::as_str);
            if is != wanted && !(is.is_empty() && wanted == "0") {
                if !is.is_empty() {
                    lines.push(format!("- {key} = {is}"));
                }
                lines.push(format!("+ {key} = {wanted}"));
                pairs.push(KeyValue { key: key.clone(), value: wanted.clone() });
            }
        }
        if pairs.is_empty() {
            return None;
        }
        let change = self.change(lines, Verb::Reconfigure(Reconfigure {}));
        Some(Change { options: pairs, ..change })
    }

    fn create(&self) -> Change {
        let node =
            |(node, host): (&String, &String)| NodeAt { node: node.clone(), host: host.clone() };
        let mut nodes: Vec<NodeAt> = self.nodes.iter().map(node).collect();
        nodes.sort_by(|one, other| natural(&one.node, &other.node));
        let mut lines =
            vec![format!("+ cluster {} ({})", self.cluster, words::system(self.system))];
        lines.extend(nodes.iter().map(plus));
        lines.extend(self.options.iter().map(|(key, value)| format!("+ {key} = {value}")));
        let pair =
            |(key, value): (&String, &String)| KeyValue { key: key.clone(), value: value.clone() };
        Change {
            options: self.options.iter().map(pair).collect(),
            ..self.change(lines, Verb::Create(Create { nodes }))
        }
    }

    fn change(&self, lines: Vec<String>, verb: Verb) -> Change {
        let intent = Intent {
            cluster: self.cluster.clone(),
            system: self.system.into(),
            verb: Some(verb),
            ..Intent::default()
        };
        Change { lines, intent, options: Vec::new() }
    }
}

fn plus(node: &NodeAt) -> String {
    format!("+ node {} on {}", node.node, node.host)
}

fn nodes(spec: &Spec) -> BTreeMap<String, String> {
    spec.nodes.iter().map(|node| (node.node.clone(), node.host.clone())).collect()
}

/// An option's value as `--option` takes it: lists with commas.
fn plain(key: &str, value: toml::Value) -> Result<String, String> {
    let refused = || format!("options.{key}: a number, a text or a list of texts is wanted");
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        toml::Value::Array(values) => {
            let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
            let mut texts = texts.ok_or_else(refused)?;
            texts.sort_by(|one, other| natural(one, other));
            Ok(texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => Err(refused()),
    }
}

/// The options of a spec by the names that `--option` takes. No system is named here: they are the
/// fields of the one message below `options`.
fn options(spec: &Spec) -> BTreeMap<String, String> {
    let value = spec.options.as_ref().and_then(|options| serde_json::to_value(options).ok());
    let Some(Value::Object(of_system)) = value.and_then(|value| match value {
        Value::Object(systems) => systems.into_iter().next().map(|(_, value)| value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }) else {
        return BTreeMap::new();
    };
    of_system.into_iter().map(|(name, value)| (snake(&name), text_of(&value))).collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// "minMembers" becomes "min_members".
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::{PostgresqlSpecOptions, SpecNode, SpecOptions, spec_options};

    const FILE: &str = "cluster = \"orders\"\nsystem = \"postgresql\"\n\n[nodes]\npg1 = \"db1\"\npg2 = \"db2\"\npg10 = \"db10\"\n\n[options]\nclient_networks = \"10.0.0.0/8,192.168.0.0/16\"\nmin_members = 2\n";

    fn spec(nodes: &[(&str, &str)]) -> Spec {
        let node = |(node, host): &(&str, &str)| SpecNode {
            node: (*node).into(),
            host: (*host).into(),
            placement: None,
        };
        let options = PostgresqlSpecOptions {
            min_members: 2,
            client_networks: vec!["10.0.0.0/8".into(), "192.168.0.0/16".into()],
            ..PostgresqlSpecOptions::default()
        };
        Spec {
            cluster: "orders".into(),
            system: System::Postgresql.into(),
            version: 3,
            nodes: nodes.iter().map(node).collect(),
            options: Some(SpecOptions { system: Some(spec_options::System::Postgresql(options)) }),
            ..Spec::default()
        }
    }

    #[test]
    fn a_spec_and_its_file_say_the_same() {
        let spec = spec(&[("pg1", "db1"), ("pg2", "db2"), ("pg10", "db10")]);
        let wanted = Wanted::of_spec(&spec);
        assert_eq!(wanted.text(), FILE);
        assert_eq!(Wanted::parse(FILE).unwrap(), wanted);
        assert_eq!(wanted.changes(Some(&spec)).unwrap(), []);
        // A list may be written as one, in any order.
        let list = "client_networks = [\"192.168.0.0/16\", \"10.0.0.0/8\"]";
        let listed = FILE.replace("client_networks = \"10.0.0.0/8,192.168.0.0/16\"", list);
        assert_eq!(Wanted::parse(&listed).unwrap(), wanted);
    }

    #[test]
    fn a_new_cluster_is_created_with_its_options() {
        let changes = Wanted::parse(FILE).unwrap().changes(None).unwrap();
        let [change] = changes.as_slice() else { panic!("{changes:?}") };
        let Some(Verb::Create(create)) = &change.intent.verb else { panic!("{change:?}") };
        let names: Vec<&str> = create.nodes.iter().map(|node| &*node.node).collect();
        assert_eq!(names, ["pg1", "pg2", "pg10"]);
        assert!(change.options.iter().any(|one| one.key == "min_members" && one.value == "2"));
    }

    #[test]
    fn nodes_join_before_others_leave() {
        let wanted = Wanted::parse(FILE).unwrap();
        let now = spec(&[("pg1", "db1"), ("pg3", "db3")]);
        let changes = wanted.changes(Some(&now)).unwrap();
        let lines: Vec<Vec<String>> = changes.into_iter().map(|change| change.lines).collect();
        assert_eq!(
            lines,
            [vec!["+ node pg2 on db2", "+ node pg10 on db10"], vec!["- node pg3 on db3"]]
        );
    }

    #[test]
    fn what_no_operation_can_do_is_refused() {
        let refused = |file: &str, now: &Spec| Wanted::parse(file).unwrap().changes(Some(now));
        let moved = refused(FILE, &spec(&[("pg1", "db7")])).unwrap_err();
        assert!(moved.contains("does not move"), "{moved}");
        let other = FILE.replace("system = \"postgresql\"", "system = \"\"");
        assert!(Wanted::parse(&other).is_err());
    }

    fn reconfigures(change: &Change) -> Vec<String> {
        assert!(matches!(change.intent.verb, Some(Verb::Reconfigure(_))), "{change:?}");
        change.options.iter().map(|one| format!("{}={}", one.key, one.value)).collect()
    }

    #[test]
    fn options_change_between_those_who_join_and_those_who_leave() {
        let other = FILE.replace("min_members = 2", "min_members = 3\nclone_rate_kib = 0");
        let now = spec(&[("pg1", "db1"), ("pg3", "db3")]);
        let changes = Wanted::parse(&other).unwrap().changes(Some(&now)).unwrap();
        assert_eq!(reconfigures(&changes[1]), ["min_members=3"]);
        assert_eq!(changes[1].lines, ["- min_members = 2", "+ min_members = 3"]);
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn what_an_earlier_version_did_not_have_goes() {
        let now = spec(&[("pg1", "db1")]);
        let mut earlier = now.clone();
        earlier.options = Some(SpecOptions {
            system: Some(spec_options::System::Postgresql(PostgresqlSpecOptions {
                min_members: 2,
                ..PostgresqlSpecOptions::default()
            })),
        });
        let back = Wanted::of_version(&earlier, &now).changes(Some(&now)).unwrap();
        assert_eq!(reconfigures(&back[0]), ["client_networks="]);
        let forth = Wanted::of_version(&now, &earlier).changes(Some(&earlier)).unwrap();
        assert_eq!(reconfigures(&forth[0]), ["client_networks=10.0.0.0/8,192.168.0.0/16"]);
    }

    #[test]
    fn a_file_that_says_nonsense_is_refused_with_its_place() {
        for (from, to, expected) in [
            ("cluster = \"orders\"", "cluster = \"../x\"", "cluster"),
            ("\"postgresql\"", "\"oracle\"", "no such system"),
            ("\"db2\"", "\"db1\"", "both on host db1"),
            ("pg2 =", "pg1 =", "line 6"),
            ("min_members = 2", "min_members = 1.5", "options.min_members"),
            ("[options]", "[option]", "unknown field"),
        ] {
            let error = Wanted::parse(&FILE.replace(from, to)).unwrap_err();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let empty = "cluster = \"orders\"\nsystem = \"postgresql\"\n[nodes]\n";
        assert!(Wanted::parse(empty).unwrap_err().contains("there are none"));
    }
}
