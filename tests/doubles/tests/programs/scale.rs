//! Growing and shrinking.

use crate::{FAST, Site, text, until};

#[test]
fn four_nodes_down_to_three() {
    let mut site = Site::new(1, FAST);
    site.cluster(3);
    assert!(site.joined(1).contains("status:              initialized new"), "{}", site.joined(1));
    let again = site.at(1, &["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("ERROR: cluster has already been initialized\nHINT: "));

    // In the background, and proven at a member that was there before.
    let mut words = site.start_words(4);
    let pid = site.path("pid4").display().to_string();
    words.extend(["--background".to_owned(), format!("--pid-file={pid}")]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = site.run(&words);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let address = site.address(4);
    until("node 4 at node 2", || {
        let out = site.out(2, &["node", "status"]);
        out.lines().any(|row| row.contains(&address) && row.ends_with(",true,true")).then_some(())
    });
    site.calm(1, 4);
    let log = std::fs::read_to_string(site.path("store4/logs/kwbase.log")).unwrap();
    assert!(
        log.contains("status:              initialized new node, joined pre-existing cluster"),
        "{log}"
    );

    let output = site.at(1, &["node", "decommission", "4"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out.contains("\n4,true,0,true,false\n\nNo more data reported on target nodes."),
        "{out}"
    );
    assert_eq!(site.replicas(2, 4), 0);
    assert_eq!(site.http(4, "/health?ready=1").0, 200, "it serves on");
    assert!(site.out(4, &["sql", "-e", "SELECT 1"]).contains("\n1\n"));

    let stop = std::process::Command::new("/bin/kill")
        .args(["-TERM", std::fs::read_to_string(&pid).unwrap().trim()])
        .status();
    assert!(stop.unwrap().success());
    until("node 4 gone from the plain list", || {
        (site.out(2, &["node", "ls"]) == "id\n1\n2\n3\n").then_some(())
    });
    let all = site.out(3, &["node", "status", "--decommission"]);
    assert!(all.lines().any(|row| row.starts_with("4,") && row.ends_with(",true,true")), "{all}");
    let (status, body) = site.http(1, "/_admin/v1/liveness");
    assert_eq!(status, 200);
    assert!(body.contains("\"4\":") && body.contains("\"1\":3"), "{body}");
    // Off a terminal and without --format: tsv.
    let to = site.to(1);
    let plain = site.run(&["node", "status", &to[0], &to[1]]);
    assert!(text(&plain.stdout).starts_with("id\taddress\t"));
}

#[test]
fn three_nodes_never_finish_and_a_left_over_waiter_undoes_a_recommission() {
    let mut site = Site::new(2, FAST);
    site.cluster(3);
    let mut words = vec!["node", "decommission", "3"];
    let to = site.to(1);
    words.extend(to.iter().map(String::as_str));
    let mut waiter = site
        .kwbase()
        .args(&words)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let flagged = || {
        site.out(2, &["node", "status", "--decommission"])
            .lines()
            .any(|row| row.starts_with("3,") && row.contains(",true,false"))
    };
    let is = |wanted: &str| {
        let out = site.out(2, &["node", "status", "3", "--decommission"]);
        out.lines().nth(1).unwrap().ends_with(wanted)
    };
    until("the flag", || flagged().then_some(()));
    let out = site.out(1, &["node", "recommission", "3"]);
    assert!(out.ends_with(",false,false\n"), "{out}");
    until("the waiter to flag it again", || is(",true,false").then_some(()));
    assert!(waiter.try_wait().unwrap().is_none(), "it never ends");
    waiter.kill().unwrap();
    waiter.wait().unwrap();
    // Its death takes nothing back; without it a recommission holds.
    assert!(is(",true,false"));
    site.out(1, &["node", "recommission", "3"]);
    for _ in 0..20 {
        assert!(is(",false,false"));
    }
}

#[test]
fn back_on_the_old_store_it_is_still_leaving_and_an_emptied_one_is_a_new_node() {
    let mut site = Site::new(3, FAST);
    site.cluster(4);
    let id: u32 = {
        let block = site.joined(4);
        block.lines().find_map(|line| line.strip_prefix("nodeID:")).unwrap().trim().parse().unwrap()
    };
    site.out(1, &["node", "decommission", &id.to_string(), "--wait=none"]);
    until("zero", || (site.replicas(1, id) == 0).then_some(()));
    assert_eq!(site.stop(4), 0);
    site.start(4);
    let block = site.joined(4);
    assert!(
        block.contains("restarted pre-existing node")
            && block.contains(&format!("nodeID:              {id}")),
        "{block}"
    );
    let row = site.out(2, &["node", "status", &id.to_string(), "--decommission"]);
    assert!(row.ends_with(",true,false\n"), "still decommissioning: {row}");
    site.stop(4);
    std::fs::remove_dir_all(site.path("store4")).unwrap();
    site.start(4);
    let block = site.joined(4);
    assert!(block.contains("nodeID:              5"), "{block}");
    until("its share", || (site.replicas(1, 5) > 0).then_some(()));
    let all = site.out(1, &["node", "status", "--decommission"]);
    assert_eq!(all.matches(&site.address(4)).count(), 4, "both ids have the address twice: {all}");
}

#[test]
fn a_single_replica_cluster_grows_and_does_not_shrink() {
    let mut site = Site::new(4, FAST);
    site.mode = "start-single-replica";
    site.start(1);
    until("init", || site.at(1, &["init"]).status.success().then_some(()));
    site.joined(1);
    site.start(2);
    site.joined(2);
    let old = site.replicas(1, 1);
    site.sql(1, "CREATE TABLE t (id INT PRIMARY KEY)");
    assert_eq!((site.replicas(1, 1), site.replicas(1, 2)), (old, 1));
    let refused = site.at(1, &["node", "decommission", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("node cannot be decommissioned in mpp mode"));
    // The wrong mode is not let in.
    site.mode = "start";
    site.start(3);
    assert_eq!(site.node(3).ended(), 1);
    let said = std::fs::read_to_string(site.path("out3")).unwrap();
    assert!(said.contains("ERROR: check start mode failed! Node start mode is start, should be start-single-replica\nFailed running \"start\"\n"), "{said}");
}
