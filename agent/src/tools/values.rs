//! Typed values that command lines, units and configuration files are made of, whatever the system.
//!
//! Nothing here needs quoting anywhere. What would, is refused here, once.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
};

use bellows_proto::v1::{Fault, FaultCode};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} {reason}")]
pub struct Invalid {
    what: &'static str,
    text: String,
    reason: &'static str,
}

impl Invalid {
    /// `what` names the value, `reason` ends the sentence.
    pub fn new(what: &'static str, text: &str, reason: &'static str) -> Self {
        Self { what, text: text.chars().take(120).collect(), reason }
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::new(FaultCode::Invalid, invalid.to_string())
    }
}

/// An absolute path of quiet characters, without `.` and `..`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietPath(Utf8PathBuf);

impl QuietPath {
    /// Checks a path. `what` names it in the error.
    ///
    /// # Errors
    /// If it is relative, not in plain form, or has characters besides A-Z a-z 0-9 / . _ - +
    pub fn new(what: &'static str, text: &str) -> Result<Self, Invalid> {
        let path = Utf8Path::new(text);
        let plain = path.components().all(|component| {
            matches!(component, Utf8Component::RootDir | Utf8Component::Normal(_))
        });
        let quiet = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+'));
        let tidy = !text.ends_with('/') && !text.contains("//") && !text.contains("/./");
        if !path.is_absolute() || !plain || !quiet || !tidy {
            let reason = "is not an absolute path of A-Z a-z 0-9 / . _ - +";
            return Err(Invalid::new(what, text, reason));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path of a file of ours in this folder.
    pub fn file(&self, name: &str) -> Utf8PathBuf {
        self.0.join(name)
    }

    /// As a path.
    pub fn as_path(&self) -> &Utf8Path {
        &self.0
    }
}

impl fmt::Display for QuietPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Reads an IP address. Names are refused: a name may point elsewhere tomorrow.
///
/// # Errors
/// If it is something else.
pub fn address(what: &'static str, text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_| Invalid::new(what, text, "is not an IP address"))
}

/// Reads ADDRESS:PORT.
///
/// # Errors
/// If it is something else.
pub fn endpoint(what: &'static str, text: &str) -> Result<SocketAddr, Invalid> {
    let found: Option<SocketAddr> = text.parse().ok();
    found
        .filter(|found| found.port() != 0)
        .ok_or_else(|| Invalid::new(what, text, "is not of the form ADDRESS:PORT"))
}

/// Reads a port.
///
/// # Errors
/// If it is not 1 to 65535.
pub fn port(what: &'static str, number: u32) -> Result<NonZeroU16, Invalid> {
    u16::try_from(number)
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or_else(|| Invalid::new(what, &number.to_string(), "is not 1 to 65535"))
}

/// Reads the name of a user of the host.
///
/// # Errors
/// If it cannot be one.
pub fn user(text: &str) -> Result<String, Invalid> {
    let quiet = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if text.is_empty() || text.len() > 32 || !quiet || text.starts_with('-') {
        return Err(Invalid::new("user", text, "is no name of a user"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_quoting_is_refused() {
        for bad in ["", "a", "/", "/a/", "/a/../b", "/a b", "/a'b", "/a\nb", "/a$b", "/a;b", "/é"]
        {
            assert!(QuietPath::new("path", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a", "10.0.0.1", "10.0.0.1:0", "host:26257", "10.0.0.1:70000"] {
            assert!(endpoint("member", bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "-x", "a;b"] {
            assert!(user(bad).is_err(), "{bad:?}");
        }
    }
}
