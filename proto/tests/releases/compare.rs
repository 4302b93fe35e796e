//! What a change of descriptors breaks for programs that were built with those from before.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything in a set, by full name.
#[derive(Default)]
struct Index<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
    services: BTreeMap<String, &'a ServiceDescriptorProto>,
}

impl<'a> Index<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let mut index = Self::default();
        for file in &set.file {
            let package = file.package();
            index.add(package, &file.message_type, &file.enum_type);
            index.services.extend(file.service.iter().map(|service| (within(package, service.name()), service)));
        }
        index
    }

    fn add(&mut self, outer: &str, messages: &'a [DescriptorProto], enums: &'a [EnumDescriptorProto]) {
        self.enums.extend(enums.iter().map(|one| (within(outer, one.name()), one)));
        for message in messages {
            let name = within(outer, message.name());
            self.add(&name, &message.nested_type, &message.enum_type);
            self.messages.insert(name, message);
        }
    }
}

fn within(outer: &str, name: &str) -> String {
    format!("{outer}.{name}")
}

/// One line for each thing of `before` that is not in `after`, or is there as something else. What is new is fine, and so
/// is a field or a value that is gone while its number and its name are reserved.
pub(crate) fn breaks(before: &FileDescriptorSet, after: &FileDescriptorSet) -> Vec<String> {
    let (before, after) = (Index::of(before), Index::of(after));
    let mut found = Vec::new();
    for (name, message) in &before.messages {
        match after.messages.get(name) {
            Some(now) => compare_messages(name, message, now, &mut found),
            None => found.push(format!("message {name} is gone")),
        }
    }
    for (name, values) in &before.enums {
        match after.enums.get(name) {
            Some(now) => compare_enums(name, values, now, &mut found),
            None => found.push(format!("enum {name} is gone")),
        }
    }
    for (name, service) in &before.services {
        match after.services.get(name) {
            Some(now) => compare_services(name, service, now, &mut found),
            None => found.push(format!("service {name} is gone")),
        }
    }
    found
}

fn compare_messages(name: &str, before: &DescriptorProto, after: &DescriptorProto, found: &mut Vec<String>) {
    let is_map_entry = |message: &DescriptorProto| message.options.as_ref().is_some_and(|options| options.map_entry());
    if is_map_entry(before) != is_map_entry(after) {
        found.push(format!("{name} is another kind of message"));
    }
    for field in &before.field {
        let (place, number) = (within(name, field.name()), field.number());
        if let Some(moved) = after.field.iter().find(|now| now.name() == field.name() && now.number() != number) {
            found.push(format!("{place} had number {number}, and has {}", moved.number()));
            continue;
        }
        let Some(now) = after.field.iter().find(|now| now.number() == number) else {
            let ranges = &after.reserved_range;
            // The end of a message's range is not part of it.
            let is_reserved = ranges.iter().any(|range| (range.start()..range.end()).contains(&number))
                && after.reserved_name.iter().any(|reserved| reserved == field.name());
            if !is_reserved {
                found.push(format!("{place} is gone, and its number and name are not reserved"));
            }
            continue;
        };
        let changed = field_facts(before, field).into_iter().zip(field_facts(after, now));
        for ((what, was), (_, is)) in changed.filter(|(was, is)| was != is) {
            found.push(format!("{place} had the {what} {was}, and has {is}"));
        }
    }
}

/// What must stay of a field.
fn field_facts(message: &DescriptorProto, field: &FieldDescriptorProto) -> [(&'static str, String); 5] {
    let kind = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().to_owned(),
        scalar => scalar.as_str_name().to_owned(),
    };
    let label = match field.label() {
        Label::Optional if field.proto3_optional() => "explicit presence".to_owned(),
        label => label.as_str_name().to_owned(),
    };
    let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
    let oneof = oneof.and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?));
    [
        ("name", field.name().to_owned()),
        ("JSON name", field.json_name().to_owned()),
        ("type", kind),
        ("label", label),
        ("oneof", oneof.map_or("none", |oneof| oneof.name()).to_owned()),
    ]
}

fn compare_enums(name: &str, before: &EnumDescriptorProto, after: &EnumDescriptorProto, found: &mut Vec<String>) {
    for value in &before.value {
        let (place, number) = (within(name, value.name()), value.number());
        if let Some(now) = after.value.iter().find(|now| now.name() == value.name()) {
            if now.number() != number {
                found.push(format!("{place} had number {number}, and has {}", now.number()));
            }
            continue;
        }
        if let Some(now) = after.value.iter().find(|now| now.number() == number) {
            found.push(format!("{place} had the name {}, and has {}", value.name(), now.name()));
            continue;
        }
        // The end of an enum's range is part of it.
        let is_reserved = after.reserved_range.iter().any(|range| (range.start()..=range.end()).contains(&number))
            && after.reserved_name.iter().any(|reserved| reserved == value.name());
        if !is_reserved {
            found.push(format!("{place} is gone, and its number and name are not reserved"));
        }
    }
}

fn compare_services(
    name: &str,
    before: &ServiceDescriptorProto,
    after: &ServiceDescriptorProto,
    found: &mut Vec<String>,
) {
    for method in &before.method {
        let place = within(name, method.name());
        let Some(now) = after.method.iter().find(|now| now.name() == method.name()) else {
            found.push(format!("method {place} is gone"));
            continue;
        };
        let changed = method_facts(method).into_iter().zip(method_facts(now));
        for ((what, was), (_, is)) in changed.filter(|(was, is)| was != is) {
            found.push(format!("{place} had the {what} {was}, and has {is}"));
        }
    }
}

/// What must stay of a call.
fn method_facts(method: &MethodDescriptorProto) -> [(&'static str, String); 4] {
    let manner = |streams: bool| if streams { "stream" } else { "one message" }.to_owned();
    [
        ("request", method.input_type().to_owned()),
        ("answer", method.output_type().to_owned()),
        ("manner of requests", manner(method.client_streaming())),
        ("manner of answers", manner(method.server_streaming())),
    ]
}

/// Fields that came since `before` to the message `root` and to those inside of it, as `message.field`.
pub(crate) fn added_within(root: &str, before: &FileDescriptorSet, after: &FileDescriptorSet) -> BTreeSet<String> {
    let (before, after) = (Index::of(before), Index::of(after));
    let (mut added, mut seen, mut waiting) = (BTreeSet::new(), BTreeSet::new(), vec![root.to_owned()]);
    while let Some(name) = waiting.pop() {
        let Some(message) = after.messages.get(&name).filter(|_| seen.insert(name.clone())) else { continue };
        let known = before.messages.get(&name);
        for field in &message.field {
            if !known.is_some_and(|known| known.field.iter().any(|one| one.number() == field.number())) {
                added.insert(within(&name, field.name()));
            }
            if field.r#type() == Type::Message {
                waiting.push(field.type_name().trim_start_matches('.').to_owned());
            }
        }
    }
    added
}
