//! The schema of the messages that commands print as JSON, made from their descriptors, and a
//! check of a value against it. As much of JSON Schema as the messages need.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use serde_json::{Map, Value, json};

/// What commands print. Everything else in the schema is a part of these.
pub const PRINTED: &[&str] = &[
    "AcceptAuditReply",
    "AddHostsReply",
    "ApplyReply",
    "AuditEntry",
    "ClusterDetail",
    "ClusterHistory",
    "ClusterStatus",
    "DeleteClusterReply",
    "Explanation",
    "HostDetail",
    "HostInventory",
    "Access",
    "ListAccessReply",
    "RevokeAccessReply",
    "Rotation",
    "HostToken",
    "ListClustersReply",
    "ListHostJobsReply",
    "ListHostsReply",
    "ListOperationsReply",
    "OperationDetail",
    "OperationOutput",
    "OperationSummary",
    "Overview",
    "Plan",
    "PlanReply",
    "PruneOperationsReply",
    "RemoveHostReply",
    "RevokeHostReply",
    "SettleJobsReply",
    "UpgradePlan",
    "UpgradeReport",
    "VerifyAuditReply",
    "WatchUpdate",
];

/// The schema of what is printed.
pub fn schema() -> Value {
    let set = FileDescriptorSet::decode(bellows_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut definitions = BTreeMap::new();
    for file in set.file.iter().filter(|file| file.package() == "bellows.v1") {
        let said = comments(file);
        for (index, message) in (0..).zip(&file.message_type) {
            let name = message.name().to_owned();
            definitions.insert(name, of_message(message, &said, index));
        }
        for one in &file.enum_type {
            let names: Vec<_> = one.value.iter().map(|value| value.name()).collect();
            definitions.insert(one.name().to_owned(), json!({ "enum": names }));
        }
    }
    let mut wanted: Vec<String> = PRINTED.iter().map(|name| (*name).to_owned()).collect();
    let mut reached = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if let Some(definition) = definitions.remove(&name) {
            wanted.extend(parts(&definition));
            reached.insert(name, definition);
        }
    }
    let definitions = reached;
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What the commands of Bellows print with --output json",
        "$comment": "Made from the messages of the API. docs/json.md says which command prints which message.",
        "$defs": definitions,
    })
}

/// The messages and enums that a definition names.
fn parts(definition: &Value) -> Vec<String> {
    let fields = definition["properties"].as_object().into_iter().flatten();
    let paths = fields.filter_map(|(_, field)| {
        field["$ref"].as_str().or_else(|| field["items"]["$ref"].as_str())
    });
    paths.filter_map(|path| path.rsplit('/').next().map(str::to_owned)).collect()
}

/// Places of a file with the comment that stands before each.
type Comments = BTreeMap<Vec<i32>, String>;

fn comments(file: &FileDescriptorProto) -> Comments {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let said = places.filter_map(|place| {
        let text = place.leading_comments.as_ref()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        Some((place.path.clone(), words.join(" ")))
    });
    said.collect()
}

fn of_message(message: &DescriptorProto, said: &Comments, index: i32) -> Value {
    let mut properties = Map::new();
    for (number, field) in (0..).zip(&message.field) {
        let mut value = of_field(field);
        if let Some(text) = said.get(&vec![4, index, 2, number]) {
            value["description"] = json!(text);
        }
        properties.insert(camel(field.name()), value);
    }
    let mut value = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let Some(text) = said.get(&vec![4, index]) {
        value["description"] = json!(text);
    }
    value
}

fn of_field(field: &FieldDescriptorProto) -> Value {
    let one = match field.r#type() {
        Type::Message | Type::Enum => {
            let name = field.type_name().rsplit('.').next().unwrap();
            json!({ "$ref": format!("#/$defs/{name}") })
        }
        Type::Bool => json!({ "type": "boolean" }),
        Type::String => json!({ "type": "string" }),
        Type::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Type::Int32 | Type::Uint32 => json!({ "type": "integer" }),
        // A number of JSON does not hold all of them.
        Type::Int64 | Type::Uint64 => json!({ "type": "string", "pattern": "^-?[0-9]+$" }),
        Type::Double => json!({ "type": "number" }),
        other => panic!("{}: a type {other:?} is new: say what its JSON is", field.name()),
    };
    if field.label() == Label::Repeated { json!({ "type": "array", "items": one }) } else { one }
}

/// "spec_version" becomes "specVersion".
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(&part[..1].to_uppercase());
        out.push_str(&part[1..]);
    }
    out
}

/// Where a value is not as the schema says; empty: it is.
pub fn mistakes(schema: &Value, message: &str, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, &json!({ "$ref": format!("#/$defs/{message}") }), value, message, &mut found);
    found
}

fn check(schema: &Value, rule: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(path) = rule["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap();
        let known = schema["$defs"].get(name).unwrap_or_else(|| panic!("no message {name}"));
        return check(schema, known, value, at, found);
    }
    if let Some(names) = rule["enum"].as_array() {
        if !names.contains(value) {
            found.push(format!("{at}: {value} is no name of the enum"));
        }
        return;
    }
    let fits = match rule["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{other}"),
    };
    if !fits {
        found.push(format!("{at}: {value} is no {}", rule["type"]));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(schema, &rule["items"], item, &format!("{at}[{number}]"), found);
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match rule["properties"].get(name) {
            Some(rule) => check(schema, rule, field, &format!("{at}.{name}"), found),
            None => found.push(format!("{at}: there is no {name:?} in the schema")),
        }
    }
}
