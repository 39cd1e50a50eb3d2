//! Messages that the tests of rendering share.

use bellows_proto::v1::{
    Act, Check, Expand, Group, Intent, MemberView, NodeAt, Note, NoteKind, Plan, Step, System,
    Wait, intent::Verb, step::Kind,
};

/// A healthy and a stopped member.
pub fn members() -> Vec<MemberView> {
    let member = |node: &str, host: &str, role: &str, detail: &str| MemberView {
        node: node.into(),
        host: host.into(),
        role: role.into(),
        state: "running".into(),
        detail: detail.into(),
        healthy: true,
    };
    let mut all =
        vec![member("pg1", "h1", "primary", "id 1"), member("pg2", "h2", "standby", "id 2")];
    if let Some(second) = all.get_mut(1) {
        second.state = "stopped".into();
        second.healthy = false;
    }
    all
}

fn act(number: u32, host: &str, summary: &str, undo: &[&str]) -> Kind {
    let undo = undo.iter().zip(number * 10..).map(|(summary, number)| Act {
        number,
        host: host.into(),
        summary: (*summary).into(),
        ..Act::default()
    });
    Kind::Act(Act {
        number,
        host: host.into(),
        summary: summary.into(),
        undo: undo.collect(),
        ..Act::default()
    })
}

fn step(number: u32, title: &str, reason: &str, kind: Kind) -> Step {
    let (title, reason, kind) = (title.into(), reason.into(), Some(kind));
    Step {
        number,
        title,
        reason,
        kind,
        expected_ms: u64::from(number) * 20_000,
        spec_change: None,
        skippable: false,
    }
}

/// An expand by one node, with every kind of step.
pub fn plan() -> Plan {
    let clone = step(
        4,
        "clone pg4 from pg1",
        "a standby starts as a copy of the primary",
        act(2, "h4", "repmgr standby clone", &["empty the data directory of pg4"]),
    );
    let after = MemberView {
        node: "pg4".into(),
        host: "h4".into(),
        role: "standby".into(),
        state: "running".into(),
        detail: "new".into(),
        healthy: true,
    };
    Plan {
        id: "0190a".into(),
        cluster: "orders".into(),
        system: System::Postgresql.into(),
        spec_version: 3,
        intent: Some(Intent {
            cluster: "orders".into(),
            system: System::Postgresql.into(),
            verb: Some(Verb::Expand(Expand {
                nodes: vec![NodeAt { node: "pg4".into(), host: "h4".into() }],
            })),
            ..Intent::default()
        }),
        steps: vec![
            step(1, "preconditions hold", "", Kind::Check(Check::default())),
            step(
                2,
                "claim pg4 at h4",
                "an undo may only touch what was claimed",
                act(
                    1,
                    "h4",
                    "claim directories, port and services",
                    &["give the claim of pg4 back"],
                ),
            ),
            step(
                3,
                "clone the new standbys",
                "",
                Kind::Group(Group { members: vec![clone], limit: 2, checks: Vec::new() }),
            ),
            step(
                5,
                "pg4 streams",
                "a member that does not stream protects nothing",
                Kind::Wait(Wait { stall_ms: 120_000, ..Wait::default() }),
            ),
        ],
        notes: vec![
            Note {
                kind: NoteKind::Impact.into(),
                text: "the base backup reads 4.0 GiB from pg1".into(),
            },
            Note {
                kind: NoteKind::Risk.into(),
                text: "WAL is kept for pg4 until it streams".into(),
            },
        ],
        before: members(),
        after: members().into_iter().chain([after]).collect(),
        ..Plan::default()
    }
}
