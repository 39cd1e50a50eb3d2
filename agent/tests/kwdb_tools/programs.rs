//! Three nodes that an installer made are adopted; a fourth comes, and goes again.

use bellows_proto::v1::{
    DirectoryState, FaultCode, KwdbDecommission, KwdbDiscardData, KwdbPlaceCertificates,
    KwdbRecommission, KwdbRemoveCertificates, KwdbRemoveStart, KwdbRequestCertificates,
    KwdbRestartNode, KwdbSecurity, KwdbSetRebalance, KwdbSignCertificates, KwdbStart,
    KwdbStartMode, KwdbStartNode, KwdbStopNode, KwdbWriteStart, ManagedFileState, ReleaseNode,
    ServiceState, host_action, kwdb_action::Kind, kwdb_found_node,
};

use crate::bed::{Bed, Host, node, until, up};

/// What a profile must not bring into a child: the tool would obey it.
pub const LEAK: &str = "[profiles.kwdb]\nKWBASE_URL = \"postgresql://127.9.9.9:1\"\nKWBASE_HOST = \"127.9.9.9\"\nKWBASE_USER = \"nobody\"\nTZ = \"UTC\"\n";

/// Three nodes as an installer makes them, found and adopted as n1 to n3.
pub async fn adopted<'a>(bed: &'a Bed, prepare: impl Fn(&[Host<'a>])) -> Vec<Host<'a>> {
    let hosts: Vec<Host<'_>> = (1..=3).map(|number| bed.host(number, LEAK)).collect();
    prepare(&hosts);
    let join = format!("{},{}", hosts[0].endpoint(), hosts[1].endpoint());
    hosts.iter().for_each(|host| host.install(&join));
    let (security, dialled) = (hosts[0].security(), format!("--host={}", hosts[0].endpoint()));
    until("init", async || {
        let ended = bed.kwbase(&["init", &security, &dialled]);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        (ended.status.success() || said.contains("already been initialized")).then_some(())
    })
    .await;
    for host in &hosts {
        let found = until("a node that is found and up", async || {
            let found = host.find().await?;
            matches!(found.server, Some(kwdb_found_node::Server::Up(_))).then_some(found)
        })
        .await;
        assert!(found.obstacles.is_empty() && found.declared && found.running, "{found:?}");
        assert_eq!(found.start_mode(), KwdbStartMode::MultiReplica);
        let placement = found.placement.unwrap();
        assert_eq!(placement.data_dir, host.store().as_str());
        host.claim(&format!("n{}", host.number), Some(placement)).await;
        assert_eq!(host.find().await.unwrap().claimed, Some(node(&format!("n{}", host.number))));
    }
    calm(&hosts[0]).await;
    hosts
}

/// Waits until every range is whole.
pub async fn calm(host: &Host<'_>) {
    until("every range to be whole", async || {
        let cluster = host.cluster("n1").await.ok()?;
        (cluster.ranges_unavailable == Some(0) && cluster.ranges_underreplicated == Some(0))
            .then_some(())
    })
    .await;
}

fn start(hosts: &[Host<'_>], security: KwdbSecurity) -> KwdbStart {
    KwdbStart {
        mode: KwdbStartMode::MultiReplica.into(),
        security: security.into(),
        join: hosts.iter().map(Host::endpoint).collect(),
    }
}

#[tokio::test]
async fn a_node_comes_and_goes() {
    let bed = Bed::new(false);
    let hosts = adopted(&bed, |_| {}).await;
    let (h1, h4) = (&hosts[0], bed.host(4, LEAK));
    let version = h1.up("n1").await.version;
    assert!(!version.is_empty());
    let cluster = h1.cluster("n1").await.unwrap();
    // Only nodes that leave are counted.
    assert_eq!((cluster.stores.len(), cluster.liveness.len(), cluster.replicas.len()), (3, 3, 0));
    assert_eq!(
        (cluster.rebalance, up(h1.read("n1").await).unwrap().serves_sql),
        (Some(true), Some(true))
    );

    // Nothing of it is there; then it is claimed, and has a start.
    let before = h4.read("n4").await;
    assert_eq!((before.claimed, before.left_alone.len()), (Some(false), 0), "{before:?}");
    assert_eq!(before.data_directory(), DirectoryState::Absent);
    h4.claim("n4", None).await;
    let wanted = start(&hosts, KwdbSecurity::Insecure);
    let write = KwdbWriteStart { node: Some(node("n4")), start: Some(wanted.clone()) };
    h4.twice(Kind::WriteStart(write)).await;
    let written = h4.read("n4").await;
    assert_eq!(written.start, Some(wanted));
    assert_eq!(written.files[0].state(), ManagedFileState::Ours);
    assert_eq!(written.service.unwrap().state(), ServiceState::Stopped);

    h4.twice(Kind::StartNode(KwdbStartNode { node: Some(node("n4")) })).await;
    let row = h1.sees("n1", &h4).await;
    let running = h4.read("n4").await;
    assert_eq!(running.service.as_ref().unwrap().state(), ServiceState::Running);
    assert_eq!(running.store_mode(), KwdbStartMode::MultiReplica);
    assert!(running.command.contains(&format!("--advertise-addr={}", h4.endpoint())));
    // It did not listen to what the profile says.
    let pid = running.service.unwrap().pid;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("KWBASE_") && environment.contains("TZ=UTC"), "{environment}");
    let refused = KwdbDiscardData { node: Some(node("n4")) };
    assert_eq!(h4.act(Kind::DiscardData(refused)).await.unwrap_err().code(), FaultCode::Drift);
    calm(h1).await;

    // Out, back, and out again to the end.
    let (at, leaving) = (Some(node("n1")), Some(node("n4")));
    let out = KwdbDecommission { at: at.clone(), node: leaving.clone(), node_id: row.id };
    let back = KwdbRecommission { at: at.clone(), node: leaving.clone(), node_id: row.id };
    h1.twice(Kind::Decommission(out.clone())).await;
    h1.twice(Kind::Recommission(back)).await;
    let never = KwdbDecommission { node_id: 4711, ..out.clone() };
    assert_eq!(h1.act(Kind::Decommission(never)).await.unwrap_err().code(), FaultCode::NotFound);
    h1.twice(Kind::Decommission(out)).await;
    until("no replica to be left", async || {
        let cluster = h1.cluster("n1").await.ok()?;
        let own = cluster.replicas.iter().find(|one| one.node_id == row.id)?;
        assert!(cluster.left.iter().all(|left| left.node_id == row.id));
        (own.count == 0).then_some(())
    })
    .await;
    h4.twice(Kind::StopNode(KwdbStopNode { node: leaving.clone(), quit: true })).await;
    for host in &hosts {
        let name = format!("n{}", host.number);
        until("it to be absent", async || {
            let rows = up(host.read(&name).await)?.active;
            rows.iter().all(|one| one.id != row.id).then_some(())
        })
        .await;
    }
    h4.twice(Kind::DiscardData(KwdbDiscardData { node: leaving.clone() })).await;
    assert_eq!(h4.read("n4").await.data_directory(), DirectoryState::Empty);
    h4.twice(Kind::RemoveStart(KwdbRemoveStart { node: leaving.clone() })).await;
    h4.act_host(host_action::Kind::ReleaseNode(ReleaseNode { node: leaving })).await.unwrap();
    let after = h4.read("n4").await;
    assert_eq!((after.claimed, after.data_directory()), (Some(false), DirectoryState::Absent));
    assert!(!h4.store().join("meters").exists());
}

#[tokio::test]
async fn nodes_of_others_are_stopped_started_and_left_whole() {
    let bed = Bed::new(false);
    let hosts = adopted(&bed, |_| {}).await;
    let (h1, h3) = (&hosts[0], &hosts[2]);
    let was = h1.sees("n1", h3).await;
    let restart = KwdbRestartNode { node: Some(node("n3")), started_at: was.started_at.clone() };
    h3.act(Kind::RestartNode(restart.clone())).await.unwrap();
    let is = until("the node to have started anew", async || {
        let rows = up(h1.read("n1").await)?.active;
        rows.into_iter()
            .find(|row| row.id == was.id && row.is_live && row.started_at != was.started_at)
    })
    .await;
    assert_eq!(is.address, was.address);
    // Once more would be one more time.
    h3.up("n3").await;
    let note = h3.act(Kind::RestartNode(restart)).await.unwrap();
    assert!(note.contains("started anew"), "{note}");

    h3.twice(Kind::StopNode(KwdbStopNode { node: Some(node("n3")), quit: false })).await;
    let stopped = h3.read("n3").await;
    assert_ne!(stopped.service.as_ref().unwrap().state(), ServiceState::Running);
    assert!(up(stopped).is_none());
    h3.twice(Kind::StartNode(KwdbStartNode { node: Some(node("n3")) })).await;
    h1.sees("n1", h3).await;
    calm(h1).await;

    // What is theirs stays theirs.
    let refused = h3.act(Kind::DiscardData(KwdbDiscardData { node: Some(node("n3")) })).await;
    assert_eq!(refused.unwrap_err().code(), FaultCode::NotClaimed);
    let write = KwdbWriteStart {
        node: Some(node("n3")),
        start: Some(start(&hosts, KwdbSecurity::Insecure)),
    };
    assert_eq!(h3.act(Kind::WriteStart(write)).await.unwrap_err().code(), FaultCode::NotClaimed);

    for enabled in [false, true] {
        let set = KwdbSetRebalance { at: Some(node("n1")), enabled };
        h1.twice(Kind::SetRebalance(set)).await;
        assert_eq!(h1.cluster("n1").await.unwrap().rebalance, Some(enabled));
    }
}

/// Without a majority gossip answers, and nothing else: that is a fault, and no empty answer.
#[tokio::test]
async fn a_cluster_without_a_majority_is_a_fault() {
    let bed = Bed::new(false);
    let hosts = adopted(&bed, |_| {}).await;
    for host in &hosts[1..] {
        let name = format!("n{}", host.number);
        host.act(Kind::StopNode(KwdbStopNode { node: Some(node(&name)), quit: false }))
            .await
            .unwrap();
    }
    let fault = hosts[0].cluster("n1").await.unwrap_err();
    assert!(matches!(fault.code(), FaultCode::Deadline | FaultCode::ToolFailed), "{fault:?}");
    let reading = hosts[0].read("n1").await;
    assert!(up(reading).is_some_and(|server| !server.active.is_empty()));
}

/// Everything is made where it is used; the cluster takes it.
#[tokio::test]
async fn a_node_of_a_secure_cluster_shows_who_it_is() {
    let bed = Bed::new(true);
    let cert = |host: &Host<'_>, words: &[&str]| {
        let folder = format!("--certs-dir={}", host.certs());
        let key = format!("--ca-key={}", bed.path().join("h1/certs/ca.key"));
        let ended = bed.kwbase(&[&["cert"], words, &[&folder, &key]].concat());
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    let hosts = adopted(&bed, |hosts| {
        for host in hosts {
            std::fs::create_dir_all(host.certs()).unwrap();
            if host.number == 1 {
                cert(host, &["create-ca"]);
            } else {
                std::fs::copy(hosts[0].certs().join("ca.crt"), host.certs().join("ca.crt"))
                    .unwrap();
            }
            cert(host, &["create-node", &host.address.to_string(), "localhost"]);
            cert(host, &["create-client", "root"]);
        }
    })
    .await;
    let (h1, h4) = (&hosts[0], bed.host(4, LEAK));
    let members = h1.read("n1").await.certificates.unwrap();
    assert!(members.has_authority_key);
    let own = members.node.unwrap();
    assert!(own.key_matches && own.signed_by_authority, "{own:?}");

    h4.claim("n4", None).await;
    let new = || Some(node("n4"));
    h4.twice(Kind::RequestCertificates(KwdbRequestCertificates { node: new() })).await;
    let asked = h4.read("n4").await.certificates.unwrap();
    let sign = KwdbSignCertificates {
        at: Some(node("n1")),
        node: new(),
        address: h4.address.to_string(),
        node_request: asked.node_request,
        client_request: asked.client_request,
    };
    h1.twice(Kind::SignCertificates(sign)).await;
    let read = h1.read("n1").await;
    assert_eq!(read.signed.len(), 1);
    let place = KwdbPlaceCertificates {
        node: new(),
        authority: read.certificates.unwrap().authority_pem,
        node_certificate: read.signed[0].node_certificate.clone(),
        client_certificate: read.signed[0].client_certificate.clone(),
    };
    h4.twice(Kind::PlaceCertificates(place)).await;
    let wanted = start(&hosts, KwdbSecurity::Tls);
    let write = KwdbWriteStart { node: new(), start: Some(wanted) };
    h4.twice(Kind::WriteStart(write)).await;
    h4.twice(Kind::StartNode(KwdbStartNode { node: new() })).await;
    h1.sees("n1", &h4).await;
    // With its own client's certificate, at its own end.
    h4.up("n4").await;
    assert_eq!(h4.cluster("n4").await.unwrap().stores.len(), 4);
    assert!(!h4.certs().join("ca.key").exists());
    h4.act(Kind::StopNode(KwdbStopNode { node: new(), quit: true })).await.unwrap();
    h4.twice(Kind::RemoveCertificates(KwdbRemoveCertificates { node: new() })).await;
    assert!(!h4.certs().exists());
}
