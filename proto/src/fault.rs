//! Faults: how they are made and told.

#[cfg(feature = "rpc")]
mod grpc;

use std::fmt;

#[cfg(feature = "rpc")]
pub use grpc::{from_status, grpc_code, to_status};

use crate::v1::{Fault, FaultCode};

/// At most so many bytes of a tool's standard error travel in a fault.
pub const STDERR_TAIL: usize = 4096;

impl Fault {
    /// A fault with a code and one sentence. No secrets in it.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), ..Self::default() }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// The same with the host that it happened on, unless one is named already.
    #[must_use]
    pub fn at(mut self, host: &str) -> Self {
        if self.host.is_empty() {
            host.clone_into(&mut self.host);
        }
        self
    }

    /// The same with the tool's command line and the end of its standard error.
    #[must_use]
    pub fn tool(mut self, command: &[String], exit_status: Option<i32>, stderr: &[u8]) -> Self {
        self.command = command.to_vec();
        self.exit_status = exit_status;
        let (_, tail) = stderr.split_at(stderr.len().saturating_sub(STDERR_TAIL));
        String::from_utf8_lossy(tail).trim_end().clone_into(&mut self.stderr_tail);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.is_empty() {
            write!(f, "{}: ", self.host)?;
        }
        f.write_str(&self.message)?;
        if let Some(line) = self.stderr_tail.lines().last() {
            write!(f, " ({line})")?;
        }
        Ok(())
    }
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
