//! Enrolment tokens: `bellows1.HOST.SECRET.FINGERPRINT`.
//!
//! The secret (128 random bits, hexadecimal) is shown once and never stored, only its hash.
//! The fingerprint of the authority's certificate lets the agent know its coordinator before
//! it trusts anything.

use std::{fmt, str::FromStr};

use bellows_proto::{digest, names::HostName};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::CaError;

const PREFIX: &str = "bellows1";
const SECRET_BYTES: usize = 16;
const FINGERPRINT_BYTES: usize = 32;

/// A text that is not a token. Says nothing of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no enrolment token: bellows1.HOST.SECRET.FINGERPRINT is expected")]
pub struct TokenFormatError;

/// A token, secret included.
pub struct Token {
    host: HostName,
    secret: Zeroizing<String>,
    fingerprint: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, ..)", self.host)
    }
}

impl Token {
    /// Makes a token with a new secret. `fingerprint` is the authority's.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn make(host: &HostName, fingerprint: &str) -> Result<Self, CaError> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| CaError::System("random bytes"))?;
        Ok(Self {
            host: host.clone(),
            secret: digest::hex(bytes.as_slice()).into(),
            fingerprint: fingerprint.to_owned(),
        })
    }

    /// Whom it lets in.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// SHA-256 of the authority's certificate, hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What is stored in place of the secret. The secret is random and long: a plain hash
    /// cannot be guessed back.
    pub fn secret_hash(&self) -> [u8; 32] {
        digest::of_bytes(self.secret.as_bytes())
    }

    /// Whether this is the token whose hash is stored. Takes the same time for any difference.
    pub fn matches(&self, secret_hash: &[u8]) -> bool {
        self.secret_hash().as_slice().ct_eq(secret_hash).into()
    }

    /// The text to be handed to the host's administrator, once.
    pub fn text(&self) -> Zeroizing<String> {
        let Self { host, secret, fingerprint } = self;
        format!("{PREFIX}.{host}.{}.{fingerprint}", secret.as_str()).into()
    }
}

impl FromStr for Token {
    type Err = TokenFormatError;

    fn from_str(text: &str) -> Result<Self, TokenFormatError> {
        let mut parts = text.trim().split('.');
        let (Some(PREFIX), Some(host), Some(secret), Some(fingerprint), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenFormatError);
        };
        if !is_hex(secret, SECRET_BYTES) || !is_hex(fingerprint, FINGERPRINT_BYTES) {
            return Err(TokenFormatError);
        }
        Ok(Self {
            host: host.parse().map_err(|_| TokenFormatError)?,
            secret: secret.to_owned().into(),
            fingerprint: fingerprint.to_owned(),
        })
    }
}

fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == bytes * 2
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_round_trips_and_hides_its_secret() {
        let host: HostName = "h1".parse().unwrap();
        let token = Token::make(&host, &"ab".repeat(32)).unwrap();
        let other = Token::make(&host, &"ab".repeat(32)).unwrap();
        let back: Token = token.text().parse().unwrap();
        assert_eq!((back.host(), back.fingerprint()), (&host, token.fingerprint()));
        assert!(back.matches(&token.secret_hash()));
        assert!(!back.matches(&other.secret_hash()));
        assert!(!back.matches(&[]));
        assert_eq!(format!("{token:?}"), "Token(h1, ..)");
    }

    #[test]
    fn other_texts_are_refused() {
        let good = Token::make(&"h1".parse().unwrap(), &"ab".repeat(32)).unwrap().text();
        for bad in [
            "",
            "bellows1.h1",
            &good.replace("bellows1", "bellows2"),
            &good.replace(".h1.", ".H1."),
            &good.replace("ab", "AB"),
            &format!("{}.x", *good),
            good.split_at(good.len() - 1).0,
        ] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
