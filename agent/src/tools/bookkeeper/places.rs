//! Where clients are told that bookies stand: read, and said of one bookie. What others have there stays, also when somebody
//! else changes it at the same time.

use std::time::Duration;

use bellows_proto::v1::{
    BookkeeperPlaces, BookkeeperPlacesQuery, BookkeeperToldPlace, Fault, FaultCode,
};

use super::{
    conf,
    session::{claimed, required, script},
    values::Node,
};
use crate::{
    exec::Finished,
    facilities::{Local, Runner, fault},
    tools::bookkeeper_places::{Place, Stored, Trouble, ZooKeeper, parse_get},
};

/// Starts Java and reads one thing.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// The survey.
///
/// # Errors
/// Why it could not be told.
pub(super) async fn read(
    runner: &dyn Runner,
    query: &BookkeeperPlacesQuery,
) -> Result<BookkeeperPlaces, Fault> {
    let (node, _) = claimed(runner.local(), required(query.at.as_ref())?)?;
    let zookeeper = zookeeper(runner.local(), &node)?;
    let all = stored(runner, &node, &zookeeper).await?.places.all().into_iter();
    let told = |(bookie, Place { rack, group })| BookkeeperToldPlace { bookie, rack, group };
    Ok(BookkeeperPlaces { places: all.map(told).collect() })
}

/// The ZooKeeper of a bookie's cluster.
///
/// # Errors
/// If its configuration names none.
pub(super) fn zookeeper(local: &Local, node: &Node) -> Result<ZooKeeper, Fault> {
    let file = node.conf_file.as_path();
    let found = conf::load(local, file)?.unwrap_or_default();
    let uri = found.settings().into_iter().find(|setting| setting.key == conf::METADATA);
    let why = match uri.map(|setting| ZooKeeper::of(&setting.value)) {
        Some(Ok(zookeeper)) => return Ok(zookeeper),
        Some(Err(why)) => why,
        None => format!("{file} has no {}", conf::METADATA),
    };
    let message = format!("where clients look for racks is not known: {why}");
    Err(Fault::new(FaultCode::Invalid, message)
        .remedy("tell clients by hand: `bellows reconfigure CLUSTER --option places=by-hand`"))
}

/// What is told now.
///
/// # Errors
/// Why it could not be read.
pub(super) async fn stored(
    runner: &dyn Runner,
    node: &Node,
    zookeeper: &ZooKeeper,
) -> Result<Stored, Fault> {
    let invocation = script(runner.local(), node, &zookeeper.get(), DEADLINE)?;
    let command = invocation.command();
    let finished: Finished = runner.read(invocation).await?;
    parse_get(finished.status, &finished.stdout, &finished.stderr).map_err(
        |trouble| match trouble {
            Trouble::Failed => fault::tool_failed(&command, &finished, "read where bookies stand"),
            Trouble::Unreadable(why) => fault::unreadable(&command, &why, &finished.stdout),
        },
    )
}
