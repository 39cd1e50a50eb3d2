//! Clients are told where a bookie stands.

use bellows_proto::v1::{BookkeeperTellPlace, Fault, FaultCode};

use super::{SHELL, about};
use crate::{
    facilities::{Runner as _, fault},
    tools::{
        JobContext, Note,
        bookkeeper::{
            places::{stored, zookeeper},
            session::script,
        },
        bookkeeper_places::{Place, is_conflict},
    },
};

/// Others change it too, seldom.
const TRIES: usize = 5;

/// Says it of one bookie. Said already is fine.
pub(super) async fn tell(
    action: &BookkeeperTellPlace,
    context: &JobContext,
) -> Result<Note, Fault> {
    let local = context.local();
    let (at, id) = about(local, action.at.as_ref(), action.node.as_ref(), &action.bookie)?;
    let zookeeper = zookeeper(local, &at)?;
    let wanted = (!action.rack.is_empty())
        .then(|| Place { rack: action.rack.clone(), group: action.group.clone() });
    let mut last = None;
    for _ in 0..=TRIES {
        let mut now = stored(context, &at, &zookeeper).await?;
        if now.places.of(&id) == wanted {
            return Ok(match wanted {
                Some(place) => format!("clients are told that {id} is in {}", place.rack),
                None => format!("clients are told nothing of {id}"),
            });
        }
        if let Some(failed) = last {
            return Err(failed);
        }
        now.places.set(&id, wanted.as_ref());
        let words = zookeeper.store(now.version, &now.places).map_err(|why| {
            let message = format!("clients cannot be told where {id} stands: {why}");
            Fault::new(FaultCode::Invalid, message)
        })?;
        let invocation = script(local, &at, &words, SHELL)?;
        let command = invocation.command();
        let finished = context.run(invocation).await?;
        // It is read again in any case: the status is no proof. Where another one was faster it is tried again.
        if !is_conflict(&finished.stdout, &finished.stderr) {
            last = Some(fault::tool_failed(&command, &finished, "store where bookies stand"));
        }
    }
    Err(Fault::new(
        FaultCode::Conflict,
        format!("where bookies stand was changed by somebody else {TRIES} times in a row"),
    ))
}
