//! Who is at the other end: identities and roles as certificates carry them.
//!
//! A certificate of the site's authority names its holder in one URI,
//! `bellows://SITE/ROLE/NAME`. For the TLS server check it carries a DNS name made of the
//! same words, so that an address never is an identity.

use std::{fmt, str::FromStr};

/// What a certificate allows. Read from the certificate on each call; deny by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `bellows serve`: the only one that agents listen to.
    Coordinator,
    /// A host's agent: has no rights at the coordinator's API.
    Agent,
    /// Reads everything.
    Viewer,
    /// Plans, applies and controls operations.
    Operator,
    /// Everything, hosts and tokens too.
    Admin,
}

impl Role {
    /// All roles, for tests and help texts.
    pub const ALL: [Self; 5] =
        [Self::Coordinator, Self::Agent, Self::Viewer, Self::Operator, Self::Admin];

    /// The word in certificates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Agent => "agent",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A word that is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}: use coordinator, agent, viewer, operator or admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The holder of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// UUID of the site.
    pub site: String,
    /// What it may do.
    pub role: Role,
    /// Host name, user name, or "coordinator".
    pub name: String,
}

/// Why a certificate does not identify anybody here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not DER, not X.509.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// None, or more than one, URI of ours.
    #[error("the certificate carries {0} bellows:// names instead of one")]
    Names(usize),
    /// The URI is not `bellows://SITE/ROLE/NAME`.
    #[error("the certificate's name is not of the form bellows://SITE/ROLE/NAME")]
    Form,
}

impl Identity {
    /// The URI that the certificate carries.
    pub fn uri(&self) -> String {
        format!("bellows://{}/{}/{}", self.site, self.role, self.name)
    }

    /// The DNS name that a TLS client checks.
    pub fn dns_name(&self) -> String {
        format!("{}.{}.{}.bellows.internal", self.name, self.role, self.site)
    }

    /// Reads an identity from a URI.
    ///
    /// # Errors
    /// If it is not exactly `bellows://SITE/ROLE/NAME` in the charset of names.
    pub fn from_uri(uri: &str) -> Result<Self, IdentityError> {
        let mut parts = uri.strip_prefix("bellows://").ok_or(IdentityError::Form)?.split('/');
        let (Some(site), Some(role), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdentityError::Form);
        };
        let plain = |text: &str| {
            !text.is_empty()
                && text.len() <= 63
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !plain(site) || !plain(name) {
            return Err(IdentityError::Form);
        }
        let role = role.parse().map_err(|_| IdentityError::Form)?;
        Ok(Self { site: site.to_owned(), role, name: name.to_owned() })
    }

    /// Reads the identity from a certificate that TLS has verified already.
    ///
    /// # Errors
    /// If the certificate cannot be read or does not carry exactly one name of ours.
    #[cfg(feature = "rpc")]
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| IdentityError::Unreadable)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| IdentityError::Unreadable)?
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let mut ours = names.iter().filter_map(|name| {
            let GeneralName::URI(uri) = name else { return None };
            uri.starts_with("bellows://").then_some(*uri)
        });
        match (ours.next(), ours.count()) {
            (Some(uri), 0) => Self::from_uri(uri),
            (first, more) => Err(IdentityError::Names(usize::from(first.is_some()) + more)),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_round_trip_and_strangers_are_refused() {
        for role in Role::ALL {
            let identity = Identity { site: "s-1".into(), role, name: "h1".into() };
            assert_eq!(Identity::from_uri(&identity.uri()), Ok(identity));
        }
        for bad in [
            "bellows://s/agent",
            "bellows://s/agent/h/x",
            "bellows://s/root/h",
            "bellows:///agent/h",
            "bellows://s/agent/",
            "bellows://s/agent/H",
            "spiffe://s/agent/h",
        ] {
            assert_eq!(Identity::from_uri(bad), Err(IdentityError::Form), "{bad}");
        }
    }
}
