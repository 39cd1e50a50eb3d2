//! Servers that are there already: found by whoever looks, and never touched once they are adopted.

use bellows_agent::facilities::claims::{ClaimedDirectory, NodeClaim, Remembered};
use bellows_proto::v1::{
    ClaimNode, DirectoryState, FaultCode, LiftTombstone, Placement, PostgresqlPlacement,
    ReleaseNode, ServiceState, Tombstone, host_action, placement, postgresql_action::Kind,
    postgresql_found_server::Server, postgresql_reading,
};

use crate::{
    SERVER,
    bed::{Bed, Host, bin_dir, node},
    configuration, discard, primary, start, stop,
};

fn placed(place: &PostgresqlPlacement) -> Option<Placement> {
    Some(Placement { system: Some(placement::System::Postgresql(place.clone())) })
}

#[tokio::test]
async fn a_server_that_runs_is_found() {
    let bed = Bed::new();
    let (h1, h2) = (bed.host(1), bed.host(2));
    let identifier = primary(&h1, &[&h1, &h2]).await;
    let own = h1.read("pg1").await.placement.unwrap();
    let found = h1.find(&own.data_dir).await;
    let place = found.placement.clone().unwrap();
    assert_eq!((found.running, found.node.as_str(), place.node_id), (true, "pg1", 1));
    assert_eq!(found.obstacles, Vec::<String>::new());
    assert_eq!((found.system_identifier, found.claimed), (identifier, Some(node("pg1"))));
    assert_eq!((place.address, place.port), (own.address.clone(), own.port));
    assert_eq!(place.repmgr_conf, format!("{}/repmgr.conf", own.conf_dir));
    assert_eq!(place.hba_file, format!("{}/pg_hba.conf", own.conf_dir));
    assert_eq!(place.socket_dir, own.socket_dir);
    assert!(matches!(found.server, Some(Server::Up(_))), "{:?}", found.server);
    assert_eq!(found.addresses[0].host, own.address);
    // Nobody has allowed it: the line that would is said, and the claim is refused.
    assert!(!found.declared && found.declaration.contains(&own.data_dir), "{}", found.declaration);
    let wanted = PostgresqlPlacement { node_id: 7, ..found.placement.unwrap() };
    let claim = ClaimNode { node: Some(node("other")), placement: placed(&wanted) };
    let fault = h1.try_host(host_action::Kind::ClaimNode(claim)).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Denied, "{fault}");

    // At the address of another host it does not answer: it is not taken for that host's own.
    let found = h2.find(&own.data_dir).await;
    match found.server {
        Some(Server::Down(fault)) => assert!(fault.message.contains("listen"), "{fault}"),
        other => panic!("{other:?}"),
    }
}

/// A record as an adoption leaves it, with data that are somebody's.
fn adopted(host: &Host<'_>) -> PostgresqlPlacement {
    let folder = host.local.config.agent.data_dir.parent().unwrap().join("somebody");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("PG_VERSION"), "15\n").unwrap();
    let section = host.local.config.systems.postgresql.clone().unwrap();
    let place = PostgresqlPlacement {
        os_user: section.os_user,
        bin_dir: bin_dir(),
        data_dir: folder.to_string(),
        conf_dir: folder.to_string(),
        socket_dir: "/run/somebody".to_owned(),
        log_dir: folder.to_string(),
        address: host.address.to_string(),
        port: 5999,
        node_id: 1,
        passfile: section.passfile.to_string(),
        adopted: true,
        repmgr_conf: format!("{folder}/repmgr.conf"),
        ..PostgresqlPlacement::default()
    };
    let directory = ClaimedDirectory {
        path: folder.to_string(),
        prior: DirectoryState::Occupied.into(),
        data: true,
        parent_made: false,
    };
    let claim = NodeClaim {
        operation: "of-another-day".to_owned(),
        placement: placed(&place),
        directories: vec![directory],
        services: Vec::new(),
    };
    let remembered =
        Remembered { node: Some(node("pg1")), claim: Some(claim), ..Remembered::default() };
    host.local.claims().put(&node("pg1"), &remembered).unwrap();
    place
}

#[tokio::test]
async fn what_was_adopted_is_not_touched() {
    let bed = Bed::new();
    let h1 = bed.host(1);
    let place = adopted(&h1);
    let version = camino::Utf8Path::new(&place.data_dir).join("PG_VERSION");
    let reading = h1.read("pg1").await;
    assert_eq!(reading.server_service.unwrap().state(), ServiceState::Stopped);
    assert!(reading.files.is_empty(), "its files are not ours: {:?}", reading.files);
    assert!(matches!(reading.server, Some(postgresql_reading::Server::Down(_))));

    // Its data and files never are; its services not where agent.toml does not list it.
    let actions: [(Kind, FaultCode); 4] = [
        (stop("pg1", SERVER), FaultCode::Denied),
        (start("pg1", SERVER), FaultCode::Denied),
        (discard("pg1"), FaultCode::NotClaimed),
        (configuration("pg1", &[&h1], 0), FaultCode::NotClaimed),
    ];
    for (action, code) in actions {
        let what = format!("{action:?}");
        let fault = h1.act(action).await.unwrap_err();
        assert_eq!(fault.code(), code, "{what}: {fault}");
    }
    assert!(reading.left_alone[0].contains("agent.toml"), "{:?}", reading.left_alone);
    for (wipe_data, code) in [(true, FaultCode::NotClaimed), (false, FaultCode::Denied)] {
        let stone = Tombstone { node: Some(node("pg1")), wipe_data };
        let fault = h1.try_host(host_action::Kind::Tombstone(stone)).await.unwrap_err();
        assert_eq!(fault.code(), code, "{fault}");
    }
    let lift = LiftTombstone { node: Some(node("pg1")) };
    h1.try_host(host_action::Kind::LiftTombstone(lift)).await.unwrap();

    // Forgetting it leaves everything as it is.
    let release = ReleaseNode { node: Some(node("pg1")) };
    h1.try_host(host_action::Kind::ReleaseNode(release)).await.unwrap();
    assert_eq!(h1.read("pg1").await.claimed, Some(false));
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "15\n");
    assert_eq!(std::fs::read_dir(&place.data_dir).unwrap().count(), 1);
}
