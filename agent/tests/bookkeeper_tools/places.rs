//! What clients are told of where bookies stand, in a real ZooKeeper.

use bellows_proto::v1::{BookkeeperTellPlace, BookkeeperToldPlace, bookkeeper_action::Kind};

use super::bed::{Bed, Host};

const OTHERS: &str = r#"{"g9":{"10.9.9.9:3181":{"rack":"/r9","hostname":"far.example"}}}"#;

fn tell(at: &Host<'_>, of: &Host<'_>, rack: &str, group: &str) -> Kind {
    let (at, node, bookie) = (at.node(), of.node(), of.id());
    Kind::TellPlace(BookkeeperTellPlace {
        at,
        node,
        bookie,
        rack: rack.into(),
        group: group.into(),
    })
}

fn place(bookie: &str, rack: &str, group: &str) -> BookkeeperToldPlace {
    BookkeeperToldPlace { bookie: bookie.into(), rack: rack.into(), group: group.into() }
}

/// The JSON, as ZooKeeper's client prints it.
fn stored(bed: &Bed) -> serde_json::Value {
    let said = bed.zookeeper_client(&["get", "/bookies"]);
    let text = String::from_utf8(said.stdout).unwrap();
    let json = text.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(json.unwrap_or_else(|| panic!("{text}"))).unwrap()
}

#[tokio::test]
async fn clients_are_told_where_bookies_stand() {
    let bed = Bed::new().await;
    let (first, second) = (bed.host(1), bed.host(2));
    for host in [&first, &second] {
        host.claim().await;
        host.act(host.write_config()).await.unwrap();
    }
    assert_eq!(first.places().await, [], "nobody has said anything");
    first.twice(tell(&first, &second, "", "")).await;
    first.twice(tell(&first, &second, "/r2", "")).await;
    let id = second.id();
    assert_eq!(stored(&bed), serde_json::json!({"default": {&id: {"rack": "/r2"}}}));
    assert_eq!(second.places().await, [place(&id, "/r2", "")]);
    // What others say stays, and what else is said of this one.
    let more =
        OTHERS.replace("}}}", &format!("}},\"{id}\":{{\"rack\":\"/x\",\"hostname\":\"b2\"}}}}}}"));
    assert!(bed.zookeeper_client(&["set", "/bookies", &more]).status.success());
    first.twice(tell(&first, &second, "/region1/r2", "g1")).await;
    let of_second = serde_json::json!({&id: {"rack": "/region1/r2", "hostname": "b2"}});
    let others: serde_json::Value = serde_json::from_str(OTHERS).unwrap();
    assert_eq!(stored(&bed), serde_json::json!({"g1": of_second, "g9": others["g9"]}));
    let seen = first.places().await;
    assert_eq!(seen, [place("10.9.9.9:3181", "/r9", "g9"), place(&id, "/region1/r2", "g1")]);
    // Two at once: both are told of.
    let (one, other) = tokio::join!(
        first.act(tell(&first, &first, "/r1", "g1")),
        second.act(tell(&second, &second, "/r3", ""))
    );
    (one.unwrap(), other.unwrap());
    let racks = |bookie: String| {
        let seen = stored(&bed);
        let groups = seen.as_object().unwrap().values();
        groups.filter_map(|group| group.get(&bookie)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(racks(first.id())[0]["rack"], "/r1");
    assert_eq!(racks(second.id())[0]["rack"], "/r3");
    first.twice(tell(&first, &second, "", "")).await;
    second.twice(tell(&second, &first, "", "")).await;
    assert_eq!(stored(&bed), others);
    // What the script would take apart is refused, and nothing is changed.
    let spaced = OTHERS.replace("far.example", "far\u{20}away");
    assert!(bed.zookeeper_client(&["set", "/bookies", &spaced]).status.success());
    let fault = first.act(tell(&first, &second, "/r2", "")).await.unwrap_err();
    assert!(fault.message.contains("would take apart"), "{}", fault.message);
    assert_eq!(stored(&bed)["g9"]["10.9.9.9:3181"]["hostname"], "far away");
    assert!(bed.zookeeper_client(&["set", "/bookies", "[1]"]).status.success());
    let fault = first.act(tell(&first, &second, "/r2", "")).await.unwrap_err();
    assert!(fault.message.contains("no JSON object"), "{}", fault.message);
}
