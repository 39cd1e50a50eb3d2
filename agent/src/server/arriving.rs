//! The bytes of a program as they come over the wire.

use std::time::Duration;

use bellows_proto::{
    fault,
    v1::{Fault, FaultCode, ProgramHeader, PutProgramRequest, put_program_request::Part},
};
use tonic::Streaming;

use super::missing;
use crate::programs::Arriving;

/// A caller that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// What follows the header.
pub(super) struct Pieces(pub(super) Streaming<PutProgramRequest>);

impl Arriving for Pieces {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        match part(&mut self.0).await? {
            None => Ok(None),
            Some(Part::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Part::Header(_)) => {
                Err(Fault::new(FaultCode::Invalid, "the program is announced a second time"))
            }
        }
    }
}

/// The first part.
pub(super) async fn header(
    pieces: &mut Streaming<PutProgramRequest>,
) -> Result<ProgramHeader, Fault> {
    match part(pieces).await? {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Bytes(_)) | None => Err(missing("header")),
    }
}

async fn part(pieces: &mut Streaming<PutProgramRequest>) -> Result<Option<Part>, Fault> {
    match tokio::time::timeout(SILENCE, pieces.message()).await {
        Ok(Ok(None)) => Ok(None),
        Ok(Ok(Some(request))) => request.part.map(Some).ok_or_else(|| missing("part")),
        Ok(Err(status)) => Err(fault::from_status(&status, "")),
        Err(_) => {
            let text = format!("nothing came for {} s", SILENCE.as_secs());
            Err(Fault::new(FaultCode::Deadline, text).remedy("send it again"))
        }
    }
}
