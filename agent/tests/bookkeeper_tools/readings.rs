//! What is read of a real cluster, and a bookie that was there before.

use bellows_agent::host::{Signal, http::Target};
use bellows_proto::v1::{
    BookkeeperServer, BookkeeperStartBookie, BookkeeperStopBookie, DirectoryState, Fault,
    FaultCode, ServiceState, bookkeeper_action::Kind, bookkeeper_found_bookie as found,
    bookkeeper_reading as reading,
};

use crate::bed::{Bed, Host, until};

fn up(server: Option<reading::Server>) -> BookkeeperServer {
    match server {
        Some(reading::Server::Up(server)) => server,
        other => panic!("{other:?}"),
    }
}

fn down(server: Option<reading::Server>) -> Fault {
    match server {
        Some(reading::Server::Down(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

async fn is_adopted(bed: &Bed, third: &Host<'_>) {
    let found = third.find().await.unwrap();
    assert!(found.declared && !found.running && found.claimed.is_none());
    assert!(found.obstacles.iter().any(|why| why == "it does not run"), "{:?}", found.obstacles);
    bed.start(3);
    let found = until("the bookie that was there before", async || {
        let found = third.find().await.unwrap();
        let whole = found.cluster.as_ref().is_some_and(|cluster| cluster.writable.len() == 3);
        (matches!(found.server, Some(found::Server::Up(_))) && whole).then_some(found)
    })
    .await;
    assert_eq!(found.obstacles, Vec::<String>::new());
    assert_eq!(found.cookie.as_ref().unwrap().bookie, third.id());
    let place = found.placement.unwrap();
    assert!(place.adopted && place.ledger_dirs.len() == 2 && place.unit.is_empty());
    third.claim_as(place.clone()).await;
    assert_eq!(third.find().await.unwrap().claimed, third.node());
    let read = third.read().await;
    assert_eq!((read.claimed, read.data_is_ours), (Some(true), Some(false)));
    assert_eq!(read.directories(), DirectoryState::Occupied);
    assert_eq!(read.version, "4.17.3");
    assert_eq!(read.cookie, found.cookie);
    assert_eq!(read.left_alone, Vec::<String>::new());
    assert_eq!(read.other_keys, ["clientPasswd"]);
    assert!(read.settings.iter().all(|setting| !setting.key.starts_with("httpServer")
        || setting.key == "httpServerClass"
        || setting.key == "httpServerNumThreads"));
    assert!(read.settings.iter().any(|setting| setting.key == "metadataServiceUri"));
    assert!(!format!("{read:?}").contains("s3cret"));
    assert!(up(read.server).total_bytes > 0);
}

/// One bookie was there before and is adopted, stopped and started again; what all of them hold is counted by HTTP and by the
/// shell; one that is killed is missed.
#[tokio::test]
async fn a_cluster_is_read_as_it_is() {
    let bed = Bed::new().await;
    let hosts = bed.cluster(2).await;
    let [first, second] = &hosts[..] else { panic!() };
    assert!(bed.host(9).find().await.is_none(), "another host's bookies are not its own");
    let third = &bed.installed(3, "clientPasswd=s3cret\n");
    is_adopted(&bed, third).await;

    let all = ["--ensemble", "3", "--write", "2", "--ack", "2", "--entries", "6"];
    bed.generate("create", &[&["--ledgers", "110"], &all[..]].concat());
    bed.generate("create", &[&["--ledgers", "1", "--leave-open"], &all[..]].concat());
    let sole = ["--ensemble", "3", "--write", "1", "--ack", "1", "--entries", "6"];
    bed.generate("create", &[&["--ledgers", "2"], &sole[..]].concat());
    let read = first.ledgers(vec![third.id(), first.id()], vec![third.id()]).await;
    assert_eq!((read.count, read.largest_ensemble, read.largest.len()), (113, 3, 8));
    let held = &read.held[0];
    assert_eq!((held.ledgers, held.open, held.sole_copies_count), (113, 1, 2));
    // 256 bytes an entry: two copies over three bookies, and one copy.
    assert_eq!(held.bytes, 110 * 6 * 256 * 2 / 3 + 2 * 6 * 256 / 3);
    assert_eq!((held.first.len(), read.lost_count), (100, 2));
    assert_eq!(read.lost, held.sole_copies);
    let read = second.ledgers(Vec::new(), vec![third.id(), first.id()]).await;
    assert_eq!((read.lost_count, read.held.len()), (113, 0));

    let said = second.shell(third).await;
    assert_eq!((said.ledgers, &said.first), (113, &held.first));
    assert!(said.cookie.unwrap().contains(&third.id()));
    let nobody = second.shell_of("127.9.9.9:3181".to_owned()).await;
    assert_eq!((nobody.ledgers, nobody.cookie), (0, None));

    let seen = first.sees().await.unwrap();
    let mut everyone = vec![first.id(), second.id(), third.id()];
    everyone.sort_by(|a, b| bellows_proto::names::natural(a, b));
    assert_eq!(seen.writable, everyone);
    assert!(seen.autorecovery && everyone.contains(&seen.auditor), "{seen:?}");
    assert_eq!((seen.unavailable, seen.underreplicated_count), (0, 0));

    let target = Target::new("/api/v1/bookie/state/readonly");
    assert_eq!(third.put(target, "{\"readOnly\":true}").await.status, 200);
    until("all to see it read-only", async || {
        let seen = first.sees().await.unwrap();
        (seen.read_only == [third.id()] && seen.writable.len() == 2).then_some(())
    })
    .await;
    // Stopped by its number, and started by the command line that it had.
    third.twice(Kind::StopBookie(BookkeeperStopBookie { node: third.node() })).await;
    let read = third.read().await;
    assert_eq!(read.service.unwrap().state(), ServiceState::Stopped);
    assert_eq!(down(read.server).code(), FaultCode::ToolFailed);
    third.twice(Kind::StartBookie(BookkeeperStartBookie { node: third.node() })).await;
    let server = up(third.read().await.server);
    assert!(server.running && server.read_only, "{server:?}");

    let pid = third.read().await.service.unwrap().pid;
    let process = third.local.host.process(pid).unwrap();
    assert!(third.local.host.signal(process, Signal::Kill).unwrap());
    let seen = until("the killed one to be missed", async || {
        let seen = first.sees().await.ok()?;
        (seen.unavailable == 1 && seen.underreplicated_count > 0).then_some(seen)
    })
    .await;
    assert!(!seen.writable.contains(&third.id()) && seen.read_only.is_empty(), "{seen:?}");
    assert_eq!(down(third.read().await.server).code(), FaultCode::ToolFailed);
    assert!(third.find().await.unwrap().obstacles.iter().any(|why| why == "it does not run"));
}
