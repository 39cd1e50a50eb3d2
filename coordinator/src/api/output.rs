//! The captured output of an operation's jobs, read from the agents that ran them, in the
//! order in which they were started.

use std::collections::BTreeSet;

use bellows_proto::{
    fault::to_status,
    v1::{
        ActStarted, Event, Fault, FaultCode, JobKey, OperationOutput, ReadOperationOutputRequest,
        ReadOutputRequest, WatchOperationRequest, event::Kind, watch_update,
    },
};
use tokio_stream::StreamExt as _;
use tonic::Status;

use super::{Api, Streamed};
use crate::engine::World;

/// One job to read from.
struct Source {
    step: u32,
    host: String,
    key: JobKey,
}

impl<W: World> Api<W> {
    pub(super) fn read_output(
        &self,
        request: ReadOperationOutputRequest,
    ) -> Result<Streamed<OperationOutput>, Status> {
        let stored = self.events(&request.operation)?;
        let closed = matches!(stored.last().map(|event| &event.kind), Some(Some(Kind::Closed(_))));
        if closed {
            return Err(gone(&request.operation));
        }
        let api = self.clone();
        Ok(Box::pin(async_stream::try_stream! {
            let mut seen = BTreeSet::new();
            for source in stored.iter().filter_map(|event| source(event, &request)) {
                seen.insert((source.key.act, source.key.attempt));
                let mut chunks = api.chunks(source, request.follow);
                while let Some(chunk) = chunks.next().await {
                    yield chunk?;
                }
            }
            if !request.follow {
                return;
            }
            let after_sequence = stored.last().map_or(0, |event| event.sequence);
            let watch = WatchOperationRequest { operation: request.operation.clone(), after_sequence };
            let mut updates = api.watch(watch)?;
            while let Some(update) = updates.next().await {
                let Some(watch_update::Kind::Event(event)) = update?.kind else { continue };
                let Some(source) = source(&event, &request) else { continue };
                if !seen.insert((source.key.act, source.key.attempt)) {
                    continue;
                }
                let mut chunks = api.chunks(source, true);
                while let Some(chunk) = chunks.next().await {
                    yield chunk?;
                }
            }
        }))
    }

    fn chunks(&self, source: Source, follow: bool) -> Streamed<OperationOutput> {
        let agents = std::sync::Arc::clone(&self.agents);
        Box::pin(async_stream::try_stream! {
            let Source { step, host, key } = source;
            let request = ReadOutputRequest { key: Some(key.clone()), offset: 0, follow };
            let mut chunks = match agents.read_output(&host, request).await {
                Ok(chunks) => chunks,
                // The attempt never reached its host: it has no output.
                Err(fault) if fault.code() == FaultCode::NotFound => return,
                Err(fault) => Err(to_status(&fault))?,
            };
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|status| {
                    to_status(&bellows_proto::fault::from_status(&status, &host))
                })?;
                yield OperationOutput {
                    step,
                    key: Some(key.clone()),
                    host: host.clone(),
                    chunk: Some(chunk),
                };
            }
        })
    }
}

/// The job that an event started, if it is one of those asked for.
fn source(event: &Event, request: &ReadOperationOutputRequest) -> Option<Source> {
    let Some(Kind::ActStarted(ActStarted { step, act, attempt, .. })) = &event.kind else {
        return None;
    };
    let act = act.as_ref().filter(|_| request.step == 0 || request.step == *step)?;
    let key = JobKey { operation: request.operation.clone(), act: act.number, attempt: *attempt };
    Some(Source { step: *step, host: act.host.clone(), key })
}

fn gone(operation: &str) -> Status {
    let what = format!(
        "the output of operation {operation} is gone: agents keep it until the operation is closed"
    );
    to_status(
        &Fault::new(FaultCode::NotFound, what)
            .remedy(format!("`bellows op show {operation}` has every step with its evidence")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellows_proto::v1::Act;

    #[test]
    fn output_is_of_the_step_that_was_asked_for() {
        let act = Act { number: 7, host: "h4".into(), ..Act::default() };
        let started = ActStarted { step: 4, act: Some(act), attempt: 2, ..ActStarted::default() };
        let event = Event { sequence: 9, at_ms: 0, kind: Some(Kind::ActStarted(started)) };
        let mut request =
            ReadOperationOutputRequest { operation: "0190".into(), step: 0, follow: false };
        let found = source(&event, &request).map(|s| (s.host, s.key.act, s.key.attempt));
        assert_eq!(found, Some(("h4".into(), 7, 2)));
        request.step = 5;
        assert!(source(&event, &request).is_none());
    }
}
