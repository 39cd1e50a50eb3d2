//! What breaks between two protocols. Whatever an older peer may send or has stored must mean the same to
//! the newer one. More fields, more values, more calls are no break: who does not know them passes them over.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto, field_descriptor_proto::Label,
};

/// All that an older peer would trip over, one line each, by name.
pub fn breaks(older: &FileDescriptorSet, newer: &FileDescriptorSet) -> Vec<String> {
    let (older, newer) = (Protocol::of(older), Protocol::of(newer));
    let mut found = Vec::new();
    for (name, message) in &older.messages {
        match newer.messages.get(name) {
            Some(now) => fields(name, message, now, &mut found),
            None => found.push(format!("message {name} is gone")),
        }
    }
    for (name, values) in &older.enums {
        match newer.enums.get(name) {
            Some(now) => enum_values(name, values, now, &mut found),
            None => found.push(format!("enum {name} is gone")),
        }
    }
    for (name, call) in &older.calls {
        let told = |call: &MethodDescriptorProto| {
            let stream = |is: bool| if is { "stream " } else { "" };
            let (to, from) = (call.client_streaming(), call.server_streaming());
            let (input, output) = (call.input_type(), call.output_type());
            format!("({}{input}) returns ({}{output})", stream(to), stream(from))
        };
        match newer.calls.get(name) {
            Some(now) if told(now) == told(call) => {}
            Some(now) => {
                found.push(format!("call {name} was {}, is {}", told(call), told(now)));
            }
            None => found.push(format!("call {name} is gone")),
        }
    }
    found
}

/// All that is named, by its full name.
#[derive(Default)]
struct Protocol {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    calls: BTreeMap<String, MethodDescriptorProto>,
}

impl Protocol {
    fn of(set: &FileDescriptorSet) -> Self {
        let mut all = Self::default();
        for file in &set.file {
            file.message_type.iter().for_each(|one| all.message(file.package(), one));
            file.enum_type.iter().for_each(|one| all.enumeration(file.package(), one));
            for service in &file.service {
                for call in &service.method {
                    let name = format!("{}.{}/{}", file.package(), service.name(), call.name());
                    all.calls.insert(name, call.clone());
                }
            }
        }
        all
    }

    fn message(&mut self, within: &str, message: &DescriptorProto) {
        let name = format!("{within}.{}", message.name());
        message.nested_type.iter().for_each(|one| self.message(&name, one));
        message.enum_type.iter().for_each(|one| self.enumeration(&name, one));
        self.messages.insert(name, message.clone());
    }

    fn enumeration(&mut self, within: &str, values: &EnumDescriptorProto) {
        self.enums.insert(format!("{within}.{}", values.name()), values.clone());
    }
}

fn fields(name: &str, older: &DescriptorProto, newer: &DescriptorProto, found: &mut Vec<String>) {
    for field in &older.field {
        let number = field.number();
        let what = format!("{name}.{} = {number}", field.name());
        let Some(now) = newer.field.iter().find(|now| now.number() == number) else {
            let reserved =
                newer.reserved_range.iter().any(|r| (r.start()..r.end()).contains(&number));
            if !reserved {
                found.push(format!("field {what} is gone, and its number is not reserved"));
            }
            continue;
        };
        let (was, is) = (told(older, field), told(newer, now));
        if was != is {
            found.push(format!("field {what} was {was}, is {is}"));
        }
        // Plans and answers are kept as JSON too.
        if field.name() != now.name() {
            found.push(format!("field {what} is called {} now", now.name()));
        }
    }
}

/// All that decides how a field is read, but for its name.
fn told(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let many = if field.label() == Label::Repeated { "repeated " } else { "" };
    let kind = format!("{:?} {}", field.r#type(), field.type_name());
    let chosen = field
        .oneof_index
        // `optional` is a oneof of its own for compilers only.
        .filter(|_| !field.proto3_optional())
        .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
    let chosen = chosen.map(|one| format!(" in oneof {}", one.name())).unwrap_or_default();
    format!("{many}{}{chosen}", kind.trim_end())
}

fn enum_values(
    name: &str,
    older: &EnumDescriptorProto,
    newer: &EnumDescriptorProto,
    found: &mut Vec<String>,
) {
    for value in &older.value {
        let what = format!("{name}.{} = {}", value.name(), value.number());
        match newer.value.iter().find(|now| now.number() == value.number()) {
            Some(now) if now.name() == value.name() => {}
            Some(now) => found.push(format!("value {what} is called {} now", now.name())),
            None => found.push(format!("value {what} is gone: an older peer sends it")),
        }
    }
}
