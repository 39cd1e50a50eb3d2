//! What goes through `deploy.sh`, where a cluster was made with it: that its own front end says what the administrator is used
//! to see. What it did is read back from the cluster.

use bellows_proto::v1::{Fault, FaultCode, KwdbDeployDecommission, KwdbStatus};

use super::{
    place,
    session::{led, rows},
    values::Node,
};
use crate::{
    facilities::Runner as _,
    host::Access,
    tools::{
        JobContext, Note,
        deploy_sh::{self, Said},
        kwbase::Rows,
    },
};

const LIMIT: u64 = 1024 * 1024;

/// Flags this host's own node, if `deploy.sh` would find it and no other.
pub(super) async fn decommission(
    action: &KwdbDeployDecommission,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let node = led(local, action.node.as_ref())?;
    let id = action.node_id;
    if id == 0 {
        return Err(Fault::new(FaultCode::Invalid, "the action names no id of a node"));
    }
    let script = place::section(local)?.deploy_sh.as_deref().ok_or_else(|| {
        Fault::new(FaultCode::Denied, "agent.toml of this host names no deploy.sh")
            .remedy("name it under [systems.kwdb], or: bellows reconfigure CLUSTER --option front_end=kwbase")
    })?;
    if is_flagged(&rows(context, &node, Rows::Known).await?, id) {
        return Ok(format!("node {id} is being decommissioned already"));
    }
    // It takes whatever has this host's address.
    let here = at_address(&rows(context, &node, Rows::Active).await?, &node);
    if here != [id] {
        return Err(Fault::new(
            FaultCode::Drift,
            format!(
                "deploy.sh would take the nodes {here:?} of this host's address, and {id} is meant"
            ),
        )
        .remedy("bellows reconfigure CLUSTER --option front_end=kwbase, then plan anew"));
    }
    let folder = local.config.agent.data_dir.join("kwdb");
    local.host.create_directory(&folder, &Access::PRIVATE_DIRECTORY)?;
    let output = folder.join("deploy.sh.out");
    local.host.remove_file(&output)?;
    context.run(deploy_sh::decommission(script, &output)).await?;
    let bytes = local.host.read_guarded(&output, LIMIT)?.map(|(bytes, _)| bytes);
    let bytes = bytes.unwrap_or_default();
    context.say(String::from_utf8_lossy(&bytes).trim());
    // Neither its exit status nor its words are a proof.
    if is_flagged(&rows(context, &node, Rows::Known).await?, id) {
        return Ok(format!("node {id} is being decommissioned"));
    }
    let said = match deploy_sh::said(&bytes) {
        Said::Completed => "it said that it was".to_owned(),
        Said::Otherwise(line) => line,
    };
    Err(Fault::new(
        FaultCode::ToolFailed,
        format!("deploy.sh has ended, and node {id} is not being decommissioned: {said}"),
    )
    .remedy("see its log beside it; or: bellows reconfigure CLUSTER --option front_end=kwbase"))
}

fn is_flagged(rows: &[KwdbStatus], id: u32) -> bool {
    rows.iter().any(|row| row.id == id && row.is_decommissioning == Some(true))
}

/// Ids of all nodes with this host's address, whatever their port: the tool compares no port.
fn at_address(rows: &[KwdbStatus], node: &Node) -> Vec<u32> {
    let address = node.address.to_string();
    let here = |row: &&KwdbStatus| {
        let host = row.sql_address.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']') == address
    };
    rows.iter().filter(here).map(|row| row.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::kwdb::values::tests::node;

    #[test]
    fn the_tool_looks_at_addresses_without_ports() {
        let row = |id, sql_address: &str| KwdbStatus {
            id,
            sql_address: sql_address.into(),
            ..KwdbStatus::default()
        };
        let rows = [
            row(1, "10.0.0.1:26257"),
            row(4, "10.0.0.4:26257"),
            row(7, "10.0.0.4:26300"),
            row(9, ""),
        ];
        assert_eq!(at_address(&rows, &node()), [4, 7]);
    }
}
