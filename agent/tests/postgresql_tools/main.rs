//! The real tools: initdb, postgres, psql, pg_controldata, repmgr, repmgrd. What they do and
//! print is what our code expects, or this fails: a new version's drift breaks the build.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod adopted;
mod backups;
mod bed;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bed::{Bed, Host, Told, node, up};
use bellows_proto::v1::{
    CloneStandby, CreateRepmgrDatabase, CreateSlot, DirectoryState, DiscardData, DropSlot,
    FaultCode, HbaSettings, InitDatabase, ManagedFileState, PostgresqlReading,
    PostgresqlServerSettings, PostgresqlService, RegisterPrimary, RegisterStandby,
    RemoveConfiguration, ServiceState, StartService, StopService, UnregisterStandby,
    WriteConfiguration, WriteHba, postgresql_action::Kind, postgresql_reading,
};
use tokio_util::sync::CancellationToken;

const SETTINGS: PostgresqlServerSettings = PostgresqlServerSettings {
    max_connections: 40,
    max_wal_senders: 10,
    max_replication_slots: 10,
    shared_buffers_mib: 16,
    max_worker_processes: Some(10),
    max_prepared_transactions: Some(3),
    max_locks_per_transaction: None,
};
const SERVER: i32 = PostgresqlService::Server as i32;
const REPMGRD: i32 = PostgresqlService::Repmgrd as i32;

fn hba(hosts: &[&Host<'_>]) -> HbaSettings {
    HbaSettings {
        members: hosts.iter().map(|host| host.address.to_string()).collect(),
        client_networks: vec!["127.0.0.0/8".to_owned()],
    }
}

fn configuration(name: &str, hosts: &[&Host<'_>], clone_rate_kib: u32) -> Kind {
    Kind::WriteConfiguration(WriteConfiguration {
        node: Some(node(name)),
        server: Some(SETTINGS),
        hba: Some(hba(hosts)),
        clone_rate_kib,
    })
}

fn start(name: &str, service: i32) -> Kind {
    Kind::StartService(StartService { node: Some(node(name)), service })
}

fn stop(name: &str, service: i32) -> Kind {
    Kind::StopService(StopService { node: Some(node(name)), service, checkpoint_first: false })
}

fn init(name: &str) -> Kind {
    Kind::InitDatabase(InitDatabase { node: Some(node(name)) })
}

fn discard(name: &str) -> Kind {
    Kind::DiscardData(DiscardData { node: Some(node(name)) })
}

fn register(name: &str, primary: &Host<'_>, port: u16) -> Kind {
    Kind::RegisterStandby(RegisterStandby {
        node: Some(node(name)),
        upstream_id: 1,
        primary_address: primary.address.to_string(),
        primary_port: port.into(),
        force: false,
    })
}

fn unregister() -> Kind {
    Kind::UnregisterStandby(UnregisterStandby {
        at: Some(node("pg1")),
        node: Some(node("pg2")),
        node_id: 2,
        former_primary: false,
    })
}

fn drop_slot(slot: &str) -> Kind {
    Kind::DropSlot(DropSlot {
        at: Some(node("pg1")),
        node: Some(node("pg2")),
        slot: slot.to_owned(),
    })
}

fn clone(primary: &Host<'_>, port: u16, system_identifier: &str) -> Kind {
    Kind::CloneStandby(CloneStandby {
        node: Some(node("pg2")),
        upstream_address: primary.address.to_string(),
        upstream_port: port.into(),
        expected_bytes: 1,
        system_identifier: system_identifier.to_owned(),
    })
}

fn state(reading: &PostgresqlReading) -> (ServiceState, ServiceState) {
    (reading.server_service.unwrap().state(), reading.repmgrd_service.unwrap().state())
}

/// Reads until it is so; a minute is for ever.
async fn until(host: &Host<'_>, name: &str, what: &str, so: impl Fn(&PostgresqlReading) -> bool) {
    let began = Instant::now();
    loop {
        let reading = host.read(name).await;
        if so(&reading) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not {what}: {reading:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A primary that runs, with its repmgr database and record.
async fn primary(host: &Host<'_>, members: &[&Host<'_>]) -> String {
    host.claim("pg1", 1).await;
    host.act(configuration("pg1", members, 0)).await.unwrap();
    host.act(init("pg1")).await.unwrap();
    host.act(start("pg1", SERVER)).await.unwrap();
    host.act(Kind::CreateRepmgrDatabase(CreateRepmgrDatabase { node: Some(node("pg1")) }))
        .await
        .unwrap();
    host.act(Kind::RegisterPrimary(RegisterPrimary { node: Some(node("pg1")) })).await.unwrap();
    host.server("pg1").await.system_identifier
}

#[tokio::test]
async fn a_first_node_comes_to_life() {
    let bed = Bed::new();
    let h1 = bed.host(1);
    let absent = h1.read("pg1").await;
    assert_eq!((absent.claimed, absent.placement), (Some(false), None));

    let placement = h1.claim("pg1", 1).await;
    let claimed = h1.read("pg1").await;
    assert_eq!(claimed.placement.as_ref(), Some(&placement));
    assert_eq!(claimed.data_directory(), DirectoryState::Absent);
    assert_eq!(state(&claimed), (ServiceState::Absent, ServiceState::Absent));
    assert!(matches!(claimed.server, Some(postgresql_reading::Server::Down(_))));

    for _ in 0..2 {
        h1.act(configuration("pg1", &[&h1], 500)).await.unwrap();
    }
    let configured = h1.read("pg1").await;
    assert_eq!(configured.files.len(), 4);
    assert!(configured.files.iter().all(|file| file.state() == ManagedFileState::Ours));
    assert_eq!(configured.configured, Some(SETTINGS));
    assert_eq!(configured.hba, Some(hba(&[&h1])));
    assert_eq!(configured.clone_rate_kib, Some(500));
    assert_eq!(state(&configured), (ServiceState::Stopped, ServiceState::Stopped));

    // One changed file, and nothing is written or removed.
    let changed = format!("{}/repmgr.conf", placement.conf_dir);
    let ours = std::fs::read(&changed).unwrap();
    std::fs::write(&changed, "node_id=9\n").unwrap();
    let remove = || Kind::RemoveConfiguration(RemoveConfiguration { node: Some(node("pg1")) });
    for kind in [configuration("pg1", &[], 500), remove()] {
        assert_eq!(h1.act(kind).await.unwrap_err().code(), FaultCode::Drift);
        let reading = h1.read("pg1").await;
        assert_eq!(reading.hba, Some(hba(&[&h1])));
        assert_eq!(state(&reading), (ServiceState::Stopped, ServiceState::Stopped));
    }
    std::fs::write(&changed, ours).unwrap();

    h1.act(init("pg1")).await.unwrap();
    let made = h1.read("pg1").await;
    assert_eq!(made.control_state, "shut down");
    assert_eq!(made.standby_configured, Some(false));
    assert_eq!(h1.act(init("pg1")).await.unwrap_err().code(), FaultCode::Drift);

    // One that was killed may look whole; it is not told as such.
    let marker = format!("{}/initdb.unfinished", placement.conf_dir);
    std::fs::write(&marker, "").unwrap();
    let killed = h1.read("pg1").await;
    assert_eq!(killed.control_state, "initdb has not ended");
    assert_eq!(killed.system_identifier, "");
    h1.act(discard("pg1")).await.unwrap();
    assert!(!std::fs::exists(&marker).unwrap());
    h1.act(init("pg1")).await.unwrap();
    let made = h1.read("pg1").await;

    for _ in 0..2 {
        h1.act(start("pg1", SERVER)).await.unwrap();
    }
    let bare = h1.server("pg1").await;
    assert!(!bare.repmgr_installed);
    assert_eq!(bare.system_identifier, made.system_identifier);
    assert_eq!(bare.hba_loaded, Some(hba(&[&h1])));
    assert_eq!(bare.hba_errors, [""; 0]);
    assert_eq!(h1.act(discard("pg1")).await.unwrap_err().code(), FaultCode::Drift);

    for _ in 0..2 {
        h1.act(Kind::CreateRepmgrDatabase(CreateRepmgrDatabase { node: Some(node("pg1")) }))
            .await
            .unwrap();
        h1.act(Kind::RegisterPrimary(RegisterPrimary { node: Some(node("pg1")) })).await.unwrap();
        h1.act(start("pg1", REPMGRD)).await.unwrap();
    }
    until(&h1, "pg1", "watched by repmgrd", |reading| {
        up(reading.clone()).repmgrd_running == Some(true)
    })
    .await;
    let server = h1.server("pg1").await;
    let connections = server.connections.clone().unwrap();
    // The reading itself is connected, and is no client.
    assert!(connections.used >= 1 && connections.hidden == 0, "{connections:?}");
    assert_eq!((connections.clients, connections.groups.len()), (0, 0), "{connections:?}");
    assert_eq!(server.objects, ["database:repmgr", "role:postgres", "role:repmgr"]);
    assert_eq!(server.registered.len(), 1);
    assert_eq!(server.registered[0].name, "pg1");
    assert_eq!(server.registered[0].slot, "repmgr_slot_1");

    for service in [REPMGRD, SERVER, SERVER] {
        h1.act(stop("pg1", service)).await.unwrap();
    }
    let stopped = h1.read("pg1").await;
    assert_eq!(state(&stopped), (ServiceState::Stopped, ServiceState::Stopped));
    assert_eq!(stopped.control_state, "shut down");
    for _ in 0..2 {
        h1.act(discard("pg1")).await.unwrap();
        h1.act(Kind::RemoveConfiguration(RemoveConfiguration { node: Some(node("pg1")) }))
            .await
            .unwrap();
    }
    let removed = h1.read("pg1").await;
    assert_eq!(removed.data_directory(), DirectoryState::Empty);
    assert!(removed.files.iter().all(|file| file.state() == ManagedFileState::Absent));
    assert_eq!(state(&removed), (ServiceState::Absent, ServiceState::Absent));
}

#[tokio::test]
async fn a_standby_comes_and_goes() {
    let bed = Bed::new();
    let (h1, h2) = (bed.host(1), bed.host(2));
    let identifier = primary(&h1, &[&h1]).await;

    // The new node is let in, and the server has loaded it.
    assert_eq!(h1.server("pg1").await.hba_loaded, Some(hba(&[&h1])));
    let both = hba(&[&h1, &h2]);
    for _ in 0..2 {
        let write = WriteHba { node: Some(node("pg1")), hba: Some(both.clone()) };
        h1.act(Kind::WriteHba(write)).await.unwrap();
        assert_eq!(h1.server("pg1").await.hba_loaded.as_ref(), Some(&both));
    }
    let login = h2.login(h1.address, bed.port).await;
    assert!(login.ok, "{}", login.reason);

    h2.claim("pg2", 2).await;
    h2.act(configuration("pg2", &[&h1, &h2], 0)).await.unwrap();
    let wrong = h2.act(clone(&h1, bed.port, "1")).await.unwrap_err();
    assert_eq!(wrong.code(), FaultCode::Drift);
    let told = Arc::new(Told::default());
    let cancel = CancellationToken::new();
    h2.act_told(clone(&h1, bed.port, &identifier), &told, &cancel).await.unwrap();
    // One changing tool; readings of its progress are none.
    assert_eq!(told.runs.lock().unwrap().len(), 1);
    assert_eq!(h2.read("pg2").await.standby_configured, Some(true));
    let again = h2.act(clone(&h1, bed.port, &identifier)).await.unwrap_err();
    assert_eq!(again.code(), FaultCode::Drift);

    h2.act(start("pg2", SERVER)).await.unwrap();
    for _ in 0..2 {
        h2.act(register("pg2", &h1, bed.port)).await.unwrap();
    }
    let streams = |reading: &PostgresqlReading| up(reading.clone()).receiver_status == "streaming";
    until(&h2, "pg2", "a streaming standby", streams).await;
    what_was_received_is_known_without_a_primary(&h1, &h2).await;
    h2.act(start("pg2", REPMGRD)).await.unwrap();
    until(&h2, "pg2", "a streaming standby", |reading| {
        let server = up(reading.clone());
        server.in_recovery == Some(true)
            && server.receiver_status == "streaming"
            && server.registered.len() == 2
            && server.repmgrd_running == Some(true)
    })
    .await;
    let seen = h1.server("pg1").await;
    assert_eq!(seen.senders.len(), 1);
    assert_eq!(seen.senders[0].application_name, "pg2");
    assert_eq!((seen.slots[0].name.as_str(), seen.slots[0].active), ("repmgr_slot_2", true));

    // A slot is dropped only if it is claimed and nobody streams from it.
    let unclaimed = h1.act(drop_slot("repmgr_slot_2")).await.unwrap_err();
    assert_eq!(unclaimed.code(), FaultCode::NotClaimed);
    h1.claim_slot("pg2", "repmgr_slot_2").await;
    let active = h1.act(drop_slot("repmgr_slot_2")).await.unwrap_err();
    assert_eq!(active.code(), FaultCode::ToolFailed);
    assert!(active.message.contains("still streams"), "{active}");

    for service in [REPMGRD, SERVER] {
        h2.act(stop("pg2", service)).await.unwrap();
    }
    // A number of another node's is refused.
    let mistaken = Kind::UnregisterStandby(UnregisterStandby {
        at: Some(node("pg1")),
        node: Some(node("pg3")),
        node_id: 2,
        former_primary: false,
    });
    let fault = h1.act(mistaken).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Drift, "{fault}");
    assert_eq!(h1.server("pg1").await.registered.len(), 2);
    for _ in 0..2 {
        h1.act(unregister()).await.unwrap();
    }
    assert_eq!(h1.server("pg1").await.registered.len(), 1);
    // The undo, while the standby is down.
    h2.act(register("pg2", &h1, bed.port)).await.unwrap();
    assert_eq!(h1.server("pg1").await.registered.len(), 2);
    h1.act(unregister()).await.unwrap();
    for _ in 0..2 {
        h1.act(drop_slot("repmgr_slot_2")).await.unwrap();
    }
    assert!(h1.server("pg1").await.slots.is_empty());
    for _ in 0..2 {
        let create = CreateSlot {
            at: Some(node("pg1")),
            node: Some(node("pg2")),
            slot: "repmgr_slot_2".to_owned(),
        };
        h1.act(Kind::CreateSlot(create)).await.unwrap();
    }
    assert_eq!(h1.server("pg1").await.slots.len(), 1);
}

/// The standby starts anew while the primary is shut down: it has no walreceiver then.
async fn what_was_received_is_known_without_a_primary(primary: &Host<'_>, standby: &Host<'_>) {
    primary.act(stop("pg1", SERVER)).await.unwrap();
    let last = primary.read("pg1").await.checkpoint_lsn.unwrap();
    standby.act(stop("pg2", SERVER)).await.unwrap();
    standby.act(start("pg2", SERVER)).await.unwrap();
    until(standby, "pg2", "told what it received", |reading| {
        up(reading.clone()).received_lsn.is_some_and(|received| received > last)
    })
    .await;
    primary.act(start("pg1", SERVER)).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_clone_is_undone_and_repeated() {
    let bed = Bed::new();
    let (h1, h2) = (bed.host(1), bed.host(2));
    let identifier = primary(&h1, &[&h1, &h2]).await;
    h2.claim("pg2", 2).await;
    h2.act(configuration("pg2", &[&h1, &h2], 4000)).await.unwrap();

    let told = Arc::new(Told::default());
    let cancel = CancellationToken::new();
    let copy = h2.act_told(clone(&h1, bed.port, &identifier), &told, &cancel);
    let strike = async {
        let began = Instant::now();
        while !told.progress.lock().unwrap().iter().any(|progress| progress.done > 0) {
            assert!(began.elapsed() < Duration::from_secs(60), "no progress was told");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(copy, strike);
    assert_eq!(outcome.unwrap_err().code(), FaultCode::Cancelled);
    let progress = told.progress.lock().unwrap().pop().unwrap();
    assert!(progress.total.is_some_and(|total| total > progress.done), "{progress:?}");
    assert_eq!(progress.unit, "bytes");

    let half = h2.read("pg2").await;
    assert_eq!(half.data_directory(), DirectoryState::Occupied);
    assert_eq!(half.standby_configured, Some(false));
    until(&h1, "pg1", "rid of the copy's senders", |reading| {
        up(reading.clone()).senders.is_empty()
    })
    .await;

    h2.act(discard("pg2")).await.unwrap();
    h2.act(configuration("pg2", &[&h1, &h2], 0)).await.unwrap();
    h2.act(clone(&h1, bed.port, &identifier)).await.unwrap();
    assert_eq!(h2.read("pg2").await.standby_configured, Some(true));
}

#[tokio::test]
async fn a_login_is_real() {
    let bed = Bed::new();
    let h1 = bed.host(1);
    primary(&h1, &[&h1]).await;
    let wrong = bed.host_with_password(2, "wrong");
    let login = wrong.login(h1.address, bed.port).await;
    assert!(!login.ok && login.reason.contains("password authentication failed"), "{login:?}");
    // Rules that let nobody in are seen as they are, and can be mended.
    let nobody = WriteHba { node: Some(node("pg1")), hba: Some(HbaSettings::default()) };
    let fault = h1.act(Kind::WriteHba(nobody)).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::ToolFailed, "{fault}");
    let login = h1.login(h1.address, bed.port).await;
    assert!(!login.ok && login.reason.contains("pg_hba.conf"), "{login:?}");
    let mended = WriteHba { node: Some(node("pg1")), hba: Some(hba(&[&h1])) };
    h1.act(Kind::WriteHba(mended)).await.unwrap();
    assert!(h1.login(h1.address, bed.port).await.ok);
}

#[tokio::test]
async fn a_server_that_hangs_is_a_fault_in_time() {
    let bed = Bed::new();
    let h1 = bed.host(1);
    h1.claim("pg1", 1).await;
    // Connections are taken by the kernel; nobody ever answers.
    let _listener = std::net::TcpListener::bind((h1.address, bed.port)).unwrap();
    let began = Instant::now();
    let reading = h1.read("pg1").await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let Some(postgresql_reading::Server::Down(fault)) = reading.server else { panic!() };
    assert!(matches!(fault.code(), FaultCode::Deadline | FaultCode::ToolFailed), "{fault:?}");
    let login = h1.login(h1.address, bed.port).await;
    assert!(!login.ok && !login.reason.is_empty());
}
