//! Pairs of made-up protocols: what breaks is found, what does not is let pass.

use prost_types::FileDescriptorSet;
use protox::{
    Compiler, Error,
    file::{File, FileResolver},
};

use crate::compare::breaks;

struct Text(String);

impl FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        File::from_source(name, &self.0)
    }
}

fn compiled(body: &str) -> FileDescriptorSet {
    let text = format!("syntax = \"proto3\";\npackage p;\n{body}");
    let mut compiler = Compiler::with_file_resolver(Text(text));
    compiler.open_file("p.proto").expect(body);
    compiler.file_descriptor_set()
}

#[track_caller]
fn breaks_as(older: &str, newer: &str, told: &str) {
    let found = breaks(&compiled(older), &compiled(newer)).join("\n");
    assert!(found.contains(told), "{older}\n{newer}\nwanted {told:?}, found {found:?}");
    assert_eq!(breaks(&compiled(older), &compiled(older)), Vec::<String>::new());
}

#[track_caller]
fn goes(older: &str, newer: &str) {
    assert_eq!(breaks(&compiled(older), &compiled(newer)), Vec::<String>::new());
}

#[test]
fn a_number_means_what_it_meant() {
    let older = "message M { string a = 1; }";
    breaks_as(older, "message M { bytes a = 1; }", "was String, is Bytes");
    breaks_as(older, "message M { repeated string a = 1; }", "is repeated String");
    breaks_as(older, "message M { string b = 1; }", "is called b now");
    breaks_as(older, "message M { string a = 2; }", "is gone, and its number is not reserved");
    breaks_as(older, "message N { string a = 1; }", "message p.M is gone");
    let of = |other: &str| format!("message A {{}} message B {{}} message M {{ {other} m = 1; }}");
    breaks_as(&of("A"), &of("B"), "was Message .p.A, is Message .p.B");
}

#[test]
fn what_is_nested_is_seen() {
    breaks_as(
        "message M { message N { string a = 1; } N n = 1; }",
        "message M { message N { uint32 a = 1; } N n = 1; }",
        "p.M.N.a = 1",
    );
    breaks_as(
        "message M { map<string, uint32> a = 1; }",
        "message M { map<string, string> a = 1; }",
        "was Uint32, is String",
    );
}

#[test]
fn a_oneof_holds_what_it_held() {
    let older = "message M { oneof k { string a = 1; string b = 2; } string c = 3; }";
    let apart = "message M { oneof k { string a = 1; } string b = 2; string c = 3; }";
    breaks_as(older, apart, "b = 2 was String in oneof k, is String");
    let joined = "message M { oneof k { string a = 1; string b = 2; string c = 3; } }";
    breaks_as(older, joined, "c = 3 was String, is String in oneof k");
    let renamed = "message M { oneof l { string a = 1; string b = 2; } string c = 3; }";
    breaks_as(older, renamed, "is String in oneof l");
}

#[test]
fn what_an_older_peer_sends_is_known() {
    let older = "enum E { Z = 0; A = 1; }";
    breaks_as(older, "enum E { Z = 0; }", "value p.E.A = 1 is gone");
    breaks_as(older, "enum E { Z = 0; B = 1; }", "is called B now");
    breaks_as(older, "enum F { Z = 0; A = 1; }", "enum p.E is gone");
    let service = |call: &str| format!("message A {{}} message B {{}} service S {{ {call} }}");
    let older = service("rpc C(A) returns (B);");
    breaks_as(&older, &service(""), "call p.S/C is gone");
    breaks_as(&older, &service("rpc C(A) returns (A);"), "call p.S/C was");
    breaks_as(&older, &service("rpc C(A) returns (stream B);"), "returns (stream .p.B)");
    breaks_as(&older, &service("rpc C(stream A) returns (B);"), "is (stream .p.A)");
}

#[test]
fn more_is_no_break() {
    goes("message M { string a = 1; }", "message M { string a = 1; string b = 2; } message N {}");
    goes("message M { string a = 1; }", "message M { reserved 1; }");
    goes("message M { string a = 1; }", "message M { optional string a = 1; }");
    goes("enum E { Z = 0; }", "enum E { Z = 0; A = 1; }");
    goes(
        "message M { oneof k { string a = 1; } }",
        "message M { oneof k { string a = 1; bytes b = 2; } }",
    );
}
