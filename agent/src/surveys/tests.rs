#![allow(clippy::unwrap_used, clippy::panic)]
use std::cell::Cell;

use bellows_proto::v1::{HostQuery, VacancyQuery, host_query, query};
use camino::Utf8Path;
use tokio::time::Instant;

use super::*;
use crate::host::{Clock, SystemClock};

/// Tokio's paused time.
struct Paused(Instant);

impl Clock for Paused {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(1000) + self.0.elapsed()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(time).boxed()
    }

    fn random(&self) -> [u8; 16] {
        SystemClock.random()
    }
}

thread_local! {
    /// A survey of this test runs.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Takes as many seconds as the query's port says; what begins with "bad" fails, "panic" panics.
fn slow<'a>(query: &'a Query, _: &'a QueryContext) -> BoxFuture<'a, Result<Answer, Fault>> {
    let Some(query::Kind::Host(HostQuery { kind: Some(host_query::Kind::Vacancy(asked)) })) =
        &query.kind
    else {
        panic!("another query");
    };
    let is_survey = is_survey(query);
    async move {
        if is_survey {
            assert!(!RUNS.replace(true), "two at a time");
        }
        tokio::time::sleep(Duration::from_secs(asked.port.into())).await;
        if is_survey {
            RUNS.set(false);
        }
        match asked.system.as_str() {
            "bad" => Err(Fault::new(FaultCode::ToolFailed, "no quorum")),
            "panic" => panic!("as asked"),
            _ => Ok(Answer::default()),
        }
    }
    .boxed()
}

fn is_survey(query: &Query) -> bool {
    let Some(query::Kind::Host(HostQuery { kind: Some(host_query::Kind::Vacancy(asked)) })) =
        &query.kind
    else {
        return false;
    };
    asked.system != "quick"
}

fn surveys() -> Surveys {
    let text = "[agent]\nhost = \"h1\"\naddress = \"127.0.0.1\"\n";
    let config = crate::config::parse(Utf8Path::new("agent.toml"), text).unwrap();
    let local = crate::run::local(config).unwrap();
    let local = Local { clock: Arc::new(Paused(Instant::now())), ..local };
    Surveys::with(local, Readings { answer: slow, is_survey })
}

async fn ask(surveys: &Surveys, system: &str, seconds: u32, max_age: u64) -> Result<u64, Fault> {
    let vacancy =
        VacancyQuery { system: system.to_owned(), port: seconds, ..VacancyQuery::default() };
    let host = HostQuery { kind: Some(host_query::Kind::Vacancy(vacancy)) };
    let request = AskRequest {
        query: Some(Query { kind: Some(query::Kind::Host(host)) }),
        deadline_ms: 0,
        max_age_ms: max_age * 1000,
    };
    surveys.answer(request).await.map(|reply| {
        assert!(reply.answer.is_some());
        reply.age_ms / 1000
    })
}

fn code(asked: Result<u64, Fault>) -> FaultCode {
    asked.unwrap_err().code()
}

#[tokio::test(start_paused = true)]
async fn one_that_is_short_answers_its_call_and_one_that_is_long_a_later_one() {
    let surveys = surveys();
    assert_eq!(ask(&surveys, "a", 2, 0).await.unwrap(), 2);
    let began = Instant::now();
    let fault = ask(&surveys, "b", 12, 0).await.unwrap_err();
    assert_eq!((fault.code(), began.elapsed()), (FaultCode::Surveying, QUERY_DEADLINE));
    assert_eq!(ask(&surveys, "a", 2, 10).await.unwrap(), 7, "another one's time does not matter");
    // Since it was first asked for: as the engine asks again.
    let mut answered = Err(fault);
    while answered.as_ref().is_err_and(|fault| fault.code() == FaultCode::Surveying) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        answered = ask(&surveys, "b", 12, began.elapsed().as_secs()).await;
    }
    assert_eq!((answered.unwrap(), began.elapsed().as_secs()), (12, 12));
}

#[tokio::test(start_paused = true)]
async fn many_calls_are_one_survey() {
    let surveys = surveys();
    let began = Instant::now();
    let all = futures::future::join_all((0..20).map(|_| ask(&surveys, "a", 3, 0))).await;
    assert!(all.into_iter().all(|one| one.unwrap() == 3));
    assert_eq!(began.elapsed().as_secs(), 3);
    // The next one is due in 6 s: the call ends before.
    assert_eq!(code(ask(&surveys, "a", 3, 0).await), FaultCode::Surveying);
    assert_eq!(ask(&surveys, "a", 3, 2).await.unwrap(), 3, "it was due within the call");
}

#[tokio::test(start_paused = true)]
async fn a_failure_and_a_panic_are_told_and_the_next_one_runs() {
    let surveys = surveys();
    assert_eq!(code(ask(&surveys, "bad", 1, 0).await), FaultCode::ToolFailed);
    assert_eq!(code(ask(&surveys, "panic", 1, 0).await), FaultCode::Internal);
    assert_eq!(ask(&surveys, "a", 1, 0).await.unwrap(), 1);
    assert_eq!(code(ask(&surveys, "endless", 7200, 0).await), FaultCode::Surveying);
    tokio::time::sleep(LONGEST).await;
    let fault = ask(&surveys, "endless", 7200, 3000).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Deadline, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_quick_one_has_its_deadline_and_no_age() {
    let surveys = surveys();
    assert_eq!(ask(&surveys, "quick", 4, 0).await.unwrap(), 0);
    assert_eq!(code(ask(&surveys, "quick", 6, 0).await), FaultCode::Deadline);
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_may_wait_are_sent_away() {
    let surveys = surveys();
    let all = futures::future::join_all((0..WAITERS + 1).map(|_| ask(&surveys, "a", 3, 0))).await;
    let away: Vec<_> = all.iter().filter(|one| one.is_err()).collect();
    assert_eq!(away.len(), 1);
    assert!(ask(&surveys, "a", 3, 10).await.is_ok(), "they count only while they wait");
}
