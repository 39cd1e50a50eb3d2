//! The double's `deploy.sh`, with all its defects, at the host of a node that leaves.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use bellows_proto::v1::{FaultCode, KwdbDeployDecommission, kwdb_action::Kind, kwdb_found_node};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    bed::{Bed, node, until, up},
    programs::{LEAK, adopted, calm},
};

/// What the installer leaves on a host, below a root of its own.
fn installed(bed: &Bed, address: IpAddr, port: u16) -> Utf8PathBuf {
    let (package, root) = (bed.path().join("package"), bed.path().join("root"));
    bellows_doubles::package::lay_out(package.as_std_path(), bed.program.as_std_path()).unwrap();
    let text = format!("pace = 60\nranges = 6\nroot = \"{root}\"\n");
    std::fs::write(package.join("double.toml"), text).unwrap();
    let bin = root.join("usr/local/kaiwudb/bin");
    for folder in [bin.as_path(), &root.join("etc/kaiwudb/info"), &root.join("etc/systemd/system")]
    {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::copy(&bed.program, bin.join("kwbase")).unwrap();
    std::fs::write(root.join("etc/systemd/system/kaiwudb.service"), "").unwrap();
    let mode = format!(
        "bare\nmulti-replication\n{package}\n/none\n{port}\n8080\nroot\ninsecure\nfalse\n{address}\n"
    );
    std::fs::write(root.join("etc/kaiwudb/info/MODE"), mode).unwrap();
    package.join("deploy.sh")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Its own exit status and words are no proof, and what it leaves behind holds nobody up.
#[tokio::test]
async fn a_node_is_flagged_by_its_own_front_end() {
    // A real kwbase comes without one.
    let bed = Bed::of_double();
    let hosts = adopted(&bed, |_| {}).await;
    let script = bed.path().join("package/deploy.sh");
    // The section's last line is followed by the profile.
    let h4 = bed.host(4, &format!("deploy_sh = \"{script}\"\n{LEAK}"));
    let port = free_port();
    assert_eq!(installed(&bed, h4.address, port), Utf8Path::new(&script));
    h4.install_at(Ipv4Addr::UNSPECIFIED.into(), port, &hosts[0].endpoint());
    let found = until("the fourth to be found", async || {
        let found = h4.find().await?;
        matches!(found.server, Some(kwdb_found_node::Server::Up(_))).then_some(found)
    })
    .await;
    assert!(found.obstacles.is_empty(), "{found:?}");
    h4.claim("n4", found.placement).await;
    let address = format!("{}:{port}", h4.address);
    let id = until("its id", async || {
        let rows = up(hosts[0].read("n1").await)?.active;
        rows.into_iter().find(|row| row.address == address && row.is_live).map(|row| row.id)
    })
    .await;
    calm(&hosts[0]).await;

    let act = |node_id| {
        Kind::DeployDecommission(KwdbDeployDecommission { node: Some(node("n4")), node_id })
    };
    // It would take this host's node, whatever is meant.
    let fault = h4.act(act(id + 1)).await.unwrap_err();
    assert_eq!(fault.code(), FaultCode::Drift, "{fault}");
    h4.twice(act(id)).await;
    let known = up(hosts[0].read("n1").await).unwrap().known;
    let own = known.iter().find(|row| row.id == id).unwrap();
    assert_eq!(own.is_decommissioning, Some(true));
    let cluster = hosts[0].cluster("n1").await.unwrap();
    assert_eq!(cluster.replicas.iter().map(|one| one.node_id).collect::<Vec<_>>(), [id]);
    // A host that names no deploy.sh has none.
    let other = hosts[2].act(Kind::DeployDecommission(KwdbDeployDecommission {
        node: Some(node("n3")),
        node_id: 3,
    }));
    assert_eq!(other.await.unwrap_err().code(), FaultCode::Denied);
}
