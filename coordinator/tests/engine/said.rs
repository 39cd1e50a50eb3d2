//! What is said of an operation beside its plan.

use super::*;
use bellows_proto::v1::{Remarks, step};

#[test]
fn what_was_said_stays_with_the_operation_and_makes_no_other_plan() {
    run(async {
        let site = Site::new();
        let said = Remarks { ticket: "CHG-4711".into(), note: "one more shelf".into() };
        let plan = Plan { remarks: Some(said.clone()), ..site.plan().await };
        let id = site.engine.apply(plan, OnFailure::Hold, "tester").await.unwrap();
        assert_eq!(site.engine.summary(&id).unwrap().remarks, Some(said.clone()));
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        assert_eq!(site.state(&id).plan.remarks, Some(said));
    });
}

#[test]
fn remarks_that_are_no_line_of_text_begin_nothing() {
    run(async {
        let site = Site::new();
        let said = Remarks { ticket: "a\nb".into(), note: "y".repeat(501) };
        let plan = Plan { remarks: Some(said), ..site.plan().await };
        match site.engine.apply(plan, OnFailure::Hold, "tester").await {
            Err(ApplyError::Invalid(mistakes)) => assert_eq!(mistakes.len(), 2, "{mistakes:?}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn another_estimate_is_no_other_plan() {
    run(async {
        let site = Site::new();
        let mut plan = site.plan().await;
        for step in &mut plan.steps {
            step.expected_ms += 60_000;
            if let Some(step::Kind::Group(group)) = &mut step.kind {
                group.members.iter_mut().for_each(|member| member.expected_ms = 7);
            }
        }
        let id = site.engine.apply(plan, OnFailure::Hold, "tester").await.unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
    });
}
