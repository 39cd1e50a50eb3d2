#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;

use futures::future::BoxFuture;

use super::{
    super::{place::tests::local, values::tests::node},
    *,
};
use crate::{
    exec::{Finished, Invocation},
    facilities::Local,
    host::http::{HttpError, REPLY_LIMIT},
};

/// On a page.
const PAGE: usize = 3;

/// A bookie's HTTP admin API over ledgers that may go while they are listed.
struct Api {
    local: Local,
    ledgers: Mutex<BTreeSet<u64>>,
    /// Goes after the first page.
    goes: Option<u64>,
    /// A ledger whose page is longer than a reply may be.
    long: Option<u64>,
    /// The list of ids is, too.
    many: bool,
}

impl Api {
    fn new(count: u64) -> Self {
        let ledgers = Mutex::new((0..count).collect());
        Self { local: local(""), ledgers, goes: None, long: None, many: false }
    }

    fn answer(&self, text: &str) -> Result<(u16, String), Cause> {
        let ledgers: Vec<u64> = self.ledgers.lock().unwrap().iter().copied().collect();
        let one = |id: &u64| {
            format!(
                "\"{id}\":{{\"ensembleSize\":2,\"writeQuorumSize\":2,\"ackQuorumSize\":2,\"state\":\"CLOSED\",\"length\":10,\
                 \"lastEntryId\":0,\"password\":\"s3cret\",\"allEnsembles\":{{\"0\":[{{\"id\":\"a\"}},{{\"id\":\"b\"}}]}}}}"
            )
        };
        if let Some((_, page)) = text.split_once("page=") {
            let page: usize = page.parse().unwrap();
            let begin = (page - 1) * PAGE;
            let here: Vec<u64> = ledgers.iter().skip(begin).take(PAGE).copied().collect();
            if let Some(gone) = self.goes.filter(|_| page == 1) {
                self.ledgers.lock().unwrap().remove(&gone);
            }
            if self.long.is_some_and(|long| here.contains(&long)) {
                return Err(Cause::TooLongReply);
            }
            let all: Vec<String> = here.iter().map(one).collect();
            return Ok((200, format!("{{{}}}", all.join(","))));
        }
        if let Some((_, id)) = text.split_once("ledger_id=") {
            let id: u64 = id.parse().unwrap();
            let there = ledgers.contains(&id);
            return Ok(match there {
                true => (200, format!("{{{}}}", one(&id))),
                false => (500, "Internal Server Error".to_owned()),
            });
        }
        if self.many {
            return Err(Cause::TooLongReply);
        }
        let all: Vec<String> = ledgers.iter().map(|id| format!("\"{id}\":null")).collect();
        Ok((200, format!("{{{}}}", all.join(","))))
    }

    async fn ids(&self) -> Result<Vec<u64>, Fault> {
        let mut seen = Vec::new();
        each(self, &node(), &mut |ledger| seen.push(ledger.id)).await?;
        seen.sort_unstable();
        Ok(seen)
    }
}

impl Runner for Api {
    fn local(&self) -> &Local {
        &self.local
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        self.read(invocation)
    }

    fn read(&self, _: Invocation) -> BoxFuture<'_, Result<Finished, Fault>> {
        Box::pin(async { panic!("no program is run for this") })
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpReply, HttpError>> {
        let answer = self.answer(&request.target.text());
        Box::pin(async move {
            match answer {
                Ok((status, text)) => {
                    assert!(text.len() <= REPLY_LIMIT);
                    Ok(HttpReply { status, body: text.into_bytes() })
                }
                Err(cause) => Err(request.failed(cause)),
            }
        })
    }
}

#[tokio::test]
async fn every_ledger_is_told_once() {
    for count in [0, 1, 3, 4, 9, 10] {
        assert_eq!(Api::new(count).ids().await.unwrap(), (0..count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_ledger_that_moves_to_the_page_before_is_not_missed() {
    // After the first page ledger 0 goes: 3 is on the first page then, and the second one begins at 4.
    let api = Api { goes: Some(0), ..Api::new(8) };
    assert_eq!(api.ids().await.unwrap(), (0..8).collect::<Vec<_>>());
    // Too many ids for a reply: the pages are read once more.
    let api = Api { goes: Some(0), many: true, ..Api::new(8) };
    assert_eq!(api.ids().await.unwrap(), (0..8).collect::<Vec<_>>());
}

#[tokio::test]
async fn long_histories_are_asked_for_one_by_one() {
    let api = Api { long: Some(4), ..Api::new(8) };
    assert_eq!(api.ids().await.unwrap(), (0..8).collect::<Vec<_>>());
    let api = Api { long: Some(4), many: true, ..Api::new(8) };
    let fault = api.ids().await.unwrap_err();
    assert!(!fault.message.contains("s3cret"), "{fault:?}");
}
