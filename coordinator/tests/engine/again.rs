//! An operation that was taken back is planned again: the same steps, with what was said of it.

use bellows_proto::v1::{Remarks, Window};

use super::*;

#[test]
fn a_cancelled_operation_is_planned_again_and_done() {
    run(async {
        let site = Site::new();
        let remarks = Remarks { ticket: "CHG-1".into(), note: "for more room".into() };
        let window = Window { begin_minute: 0, end_minute: 1439 };
        let plan = Plan { remarks: Some(remarks), window: Some(window), ..site.plan().await };
        let id = site.engine.apply(plan.clone(), OnFailure::Hold, "tester").await.unwrap();
        site.engine.control(&id, ControlKind::Cancel, "tester").unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Cancelled));
        site.assert_as_before();

        let again = site.engine.plan_again(&id, &plan).await.unwrap();
        assert_ne!(again.id, plan.id);
        let expected = Plan { id: again.id.clone(), again: id.clone(), ..plan };
        assert_eq!(Plan { planned_at_ms: expected.planned_at_ms, ..again.clone() }, expected);
        let id = site.engine.apply(again, OnFailure::Hold, "tester").await.unwrap();
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        site.assert_done();
    });
}

#[test]
fn what_cannot_be_planned_again_is_a_mistake() {
    run(async {
        let site = Site::new();
        let plan = Plan { intent: None, ..site.plan().await };
        let error = site.engine.plan_again("0190", &plan).await.unwrap_err();
        assert!(error.to_string().contains("what it is for"), "{error}");
        // The cluster that it made is there.
        let plan = site.plan().await;
        let id = site.begin(OnFailure::Hold).await;
        assert_eq!(site.finish(&id).await.outcome(), Some(Outcome::Done));
        let error = site.engine.plan_again(&id, &plan).await.unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
    });
}
