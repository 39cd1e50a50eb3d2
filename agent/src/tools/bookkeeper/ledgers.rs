//! The survey of all ledgers' metadata by this host's bookie, summed up here: what has a password never leaves the host.
//! Must not change anything.

use std::{collections::BTreeSet, time::Duration};

use bellows_proto::v1::{
    BookkeeperHeld, BookkeeperLedgers, BookkeeperLedgersQuery, Fault, FaultCode,
};

use super::{
    http::get,
    session::{claimed, required},
    values::{Node, bookie_id},
};
use crate::{
    facilities::Runner,
    host::http::{Cause, HttpReply, HttpRequest, Target},
    tools::bookkeeper_http::ledgers::{
        Ledger, ids_target, one_target, page_target, parse_ids, parse_one, parse_page,
    },
};

/// A page of metadata is read within this time, or something is wrong.
const PAGE_DEADLINE: Duration = Duration::from_secs(60);
/// Nobody has so many: a bookie that gives pages for ever.
const MOST_PAGES: u64 = 1_000_000;
/// So many ledgers that are lost are named.
const MOST_LOST: usize = 1000;
/// So many ledgers of a bookie are named.
const MOST_HELD: usize = 100;
/// So many of the ledgers with the largest ensemble are named.
const MOST_LARGEST: usize = 8;
/// Of what is asked.
const MOST_BOOKIES: usize = 1000;

/// Reads and sums up.
///
/// # Errors
/// `INVALID` for a bad id; else why not all of it could be read.
pub(super) async fn read(
    runner: &dyn Runner,
    query: &BookkeeperLedgersQuery,
) -> Result<BookkeeperLedgers, Fault> {
    let (node, _) = claimed(runner.local(), required(query.at.as_ref())?)?;
    if query.bookies.len().max(query.gone.len()) > MOST_BOOKIES {
        return Err(Fault::new(FaultCode::Invalid, "the query names too many bookies"));
    }
    for id in query.bookies.iter().chain(&query.gone) {
        bookie_id(id)?;
    }
    let mut sum = Sum::new(query);
    each(runner, &node, &mut |ledger| sum.add(ledger)).await?;
    Ok(sum.ended())
}

/// Tells `each` every ledger once, in no order. One that is made or deleted meanwhile may be told or not.
///
/// Pages are cut by number: a ledger that is deleted while they are read moves all after it, so that one may fall between two
/// pages. So the ids are read afterwards, and those that were missed are asked for by themselves; where there are more ids than
/// a reply holds, the pages are read once more.
///
/// # Errors
/// If something could not be read.
pub(super) async fn each(
    runner: &dyn Runner,
    node: &Node,
    each: &mut (dyn FnMut(&Ledger) + Send),
) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    let mut tell = |ledger: &Ledger| {
        if seen.insert(ledger.id) {
            each(ledger);
        }
    };
    let whole = pages(runner, node, &mut tell).await?;
    let Some(reply) = unless_too_long(runner, node, ids_target()).await? else {
        if whole && pages(runner, node, &mut tell).await? {
            return Ok(());
        }
        return Err(Fault::new(
            FaultCode::Unreadable,
            "the metadata of some ledgers are longer than a reply may be, and so is the list of all ledgers",
        )
        .remedy("the cluster has more ledgers than this agent can survey"));
    };
    let ids = parse_ids(&reply)?;
    let missed: Vec<u64> = ids.difference(&seen).copied().collect();
    for id in missed {
        let reply = get(runner, node, one_target(id), PAGE_DEADLINE).await?;
        // Else it has gone meanwhile.
        if let Some(ledger) = parse_one(&reply)? {
            each(&ledger);
        }
    }
    Ok(())
}

/// All pages; `false`: one was too long, and what is after it was not read.
async fn pages(
    runner: &dyn Runner,
    node: &Node,
    tell: &mut (dyn FnMut(&Ledger) + Send),
) -> Result<bool, Fault> {
    for page in 1..=MOST_PAGES {
        let Some(reply) = unless_too_long(runner, node, page_target(page)).await? else {
            return Ok(false);
        };
        let ledgers = parse_page(&reply)?;
        if ledgers.is_empty() {
            return Ok(true);
        }
        for ledger in &ledgers {
            tell(ledger);
        }
    }
    Ok(false)
}

/// `None`: the reply is longer than a reply may be.
async fn unless_too_long(
    runner: &dyn Runner,
    node: &Node,
    target: Target,
) -> Result<Option<HttpReply>, Fault> {
    match runner.http(HttpRequest::get(node.http, target, PAGE_DEADLINE)).await {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if matches!(error.cause, Cause::TooLongReply) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What has been seen so far.
struct Sum<'a> {
    query: &'a BookkeeperLedgersQuery,
    gone: BTreeSet<&'a str>,
    count: u64,
    largest_ensemble: u32,
    largest: BTreeSet<u64>,
    held: Vec<Held>,
    lost: Named,
}

#[derive(Default)]
struct Held {
    ledgers: Named,
    bytes: u64,
    open: u64,
    sole: Named,
}

/// How many, and the lowest ids of them.
#[derive(Default)]
struct Named {
    count: u64,
    first: BTreeSet<u64>,
}

impl Named {
    fn add(&mut self, id: u64, most: usize) {
        self.count += 1;
        lowest(&mut self.first, id, most);
    }
}

fn lowest(all: &mut BTreeSet<u64>, id: u64, most: usize) {
    all.insert(id);
    if all.len() > most {
        all.pop_last();
    }
}

impl<'a> Sum<'a> {
    fn new(query: &'a BookkeeperLedgersQuery) -> Self {
        Self {
            query,
            gone: query.gone.iter().map(String::as_str).collect(),
            count: 0,
            largest_ensemble: 0,
            largest: BTreeSet::new(),
            held: query.bookies.iter().map(|_| Held::default()).collect(),
            lost: Named::default(),
        }
    }

    fn add(&mut self, ledger: &Ledger) {
        self.count += 1;
        if ledger.ensemble > self.largest_ensemble {
            self.largest_ensemble = ledger.ensemble;
            self.largest.clear();
        }
        if ledger.ensemble == self.largest_ensemble {
            lowest(&mut self.largest, ledger.id, MOST_LARGEST);
        }
        for (bookie, held) in std::iter::zip(&self.query.bookies, &mut self.held) {
            if !ledger.is_on(bookie) {
                continue;
            }
            held.ledgers.add(ledger.id, MOST_HELD);
            held.bytes = held.bytes.saturating_add(ledger.bytes_on(bookie));
            held.open += u64::from(ledger.is_open_on(bookie));
            if ledger.is_sole_on(bookie) {
                held.sole.add(ledger.id, MOST_HELD);
            }
        }
        if !self.gone.is_empty() && ledger.is_lost_with(&|bookie| self.gone.contains(bookie)) {
            self.lost.add(ledger.id, MOST_LOST);
        }
    }

    fn ended(self) -> BookkeeperLedgers {
        let held =
            std::iter::zip(&self.query.bookies, self.held).map(|(bookie, held)| BookkeeperHeld {
                bookie: bookie.clone(),
                ledgers: held.ledgers.count,
                bytes: held.bytes,
                open: held.open,
                sole_copies: held.sole.first.into_iter().collect(),
                sole_copies_count: held.sole.count,
                first: held.ledgers.first.into_iter().collect(),
            });
        BookkeeperLedgers {
            count: self.count,
            largest_ensemble: self.largest_ensemble,
            largest: self.largest.into_iter().collect(),
            held: held.collect(),
            lost: self.lost.first.into_iter().collect(),
            lost_count: self.lost.count,
        }
    }
}

#[cfg(test)]
mod tests;
