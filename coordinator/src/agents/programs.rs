//! Calls about an agent's own program.

use std::{sync::Arc, time::Duration};

use bellows_proto::v1::{
    ConfirmProgramRequest, Fault, FaultCode, GetProgramRequest, Program, ProgramHeader,
    ProgramState, PutProgramRequest, SwitchProgramRequest, Term, put_program_request::Part,
};
use futures::stream;

use super::{CALL_DEADLINE, GrpcAgents, HELLO_DEADLINE};

/// Bytes per message.
const PIECE: usize = 256 * 1024;
/// A whole program over a slow line, and the proof that it runs.
const PUT_DEADLINE: Duration = Duration::from_secs(900);
/// The proof again, a timer and a restart that are asked for.
const SWITCH_DEADLINE: Duration = Duration::from_secs(90);

impl GrpcAgents {
    /// Which programs of the agent are at a host, and which one runs.
    ///
    /// # Errors
    /// If the agent cannot be reached, or is from before such calls.
    pub async fn program(&self, host: &str) -> Result<ProgramState, Fault> {
        let asked = self
            .call(host, HELLO_DEADLINE, |mut client| async move {
                client.get_program(GetProgramRequest {}).await
            })
            .await;
        asked.map(|reply| self.seen(host, reply)).map_err(|fault| too_old(host, fault))
    }

    /// Puts a program at a host, whole. Nothing is switched.
    ///
    /// # Errors
    /// If this coordinator does not lead, the agent cannot be reached, or refuses it.
    pub async fn put_program(
        &self,
        host: &str,
        program: &Program,
        bytes: Arc<[u8]>,
    ) -> Result<Program, Fault> {
        let term = Some(self.term_for(host)?);
        let program = Program { path: String::new(), ..program.clone() };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let header = Part::Header(ProgramHeader { term, program: Some(program), length });
        let count = bytes.len().div_ceil(PIECE);
        let pieces = (0..count).map(move |index| {
            let from = index * PIECE;
            let to = from.saturating_add(PIECE).min(bytes.len());
            Part::Bytes(bytes.get(from..to).unwrap_or_default().to_vec())
        });
        let parts = std::iter::once(header).chain(pieces);
        let requests = parts.map(|part| PutProgramRequest { part: Some(part) });
        let reply = self
            .call(host, PUT_DEADLINE, |mut client| async move {
                client.put_program(stream::iter(requests)).await
            })
            .await;
        let reply = reply.map_err(|fault| too_old(host, fault))?;
        Ok(self.seen(host, reply).program.unwrap_or_default())
    }

    /// Starts a program that was put at a host, on trial.
    ///
    /// # Errors
    /// If this coordinator does not lead, the agent cannot be reached, or refuses.
    pub async fn switch_program(
        &self,
        host: &str,
        request: SwitchProgramRequest,
    ) -> Result<(), Fault> {
        let request = SwitchProgramRequest { term: Some(self.term_for(host)?), ..request };
        let reply = self
            .call(host, SWITCH_DEADLINE, |mut client| async move {
                client.switch_program(request).await
            })
            .await?;
        self.seen(host, reply);
        Ok(())
    }

    /// Has the program on trial kept.
    ///
    /// # Errors
    /// If this coordinator does not lead, the agent cannot be reached, or the trial is over.
    pub async fn confirm_program(&self, host: &str, trial: &str) -> Result<ProgramState, Fault> {
        let (term, trial) = (Some(self.term_for(host)?), trial.to_owned());
        let request = ConfirmProgramRequest { term, trial };
        let reply =
            self.call(host, CALL_DEADLINE, |mut client| async move {
                client.confirm_program(request).await
            })
            .await?;
        Ok(self.seen(host, reply).state.unwrap_or_default())
    }

    /// Under which something may be changed at a host.
    fn term_for(&self, host: &str) -> Result<Term, Fault> {
        self.may_change(host)?;
        let leads = self.leading.get().filter(|_| self.read_only.reason().is_none());
        leads.cloned().ok_or_else(|| {
            let text = "this coordinator does not lead: it upgrades nothing";
            Fault::new(FaultCode::StaleTerm, text).at(host)
        })
    }
}

/// The access table of an older agent does not know such a call.
fn too_old(host: &str, fault: Fault) -> Fault {
    let unknown = fault.code() == FaultCode::Denied && fault.message.contains("is not offered");
    if !unknown {
        return fault;
    }
    Fault::new(FaultCode::Denied, "its agent is from before upgrades by the coordinator")
        .at(host)
        .remedy(format!("upgrade it once by its package, on {host}"))
}
