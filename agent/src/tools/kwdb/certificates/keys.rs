//! Private keys as `kwbase`, `openssl` and others write them: PKCS#8, PKCS#1 ("RSA PRIVATE KEY") and SEC1 ("EC PRIVATE KEY").
//! The library takes the first form only, so that the others are put into it.

use rcgen::KeyPair;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

/// `AlgorithmIdentifier` of rsaEncryption, with its NULL.
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// Of id-ecPublicKey on P-256 and on P-384.
const CURVES: [&[u8]; 2] = [
    &[
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ],
    &[
        0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
        0x04, 0x00, 0x22,
    ],
];
const VERSION_0: &[u8] = &[0x02, 0x01, 0x00];
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;

/// Why a key cannot be used. Never the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// No PEM of a private key.
    #[error("it is no private key in PEM")]
    Pem,
    /// Of another algorithm, too short, or broken.
    #[error("it is no whole RSA key of 2048 to 4096 bits, and no key on P-256 or P-384")]
    Unusable,
}

/// Reads a private key.
pub(super) fn load(pem: &[u8]) -> Result<KeyPair, KeyError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::Pem)?;
    match &key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::try_from(key).map_err(|_| KeyError::Unusable),
        PrivateKeyDer::Pkcs1(key) => wrapped(RSA, key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => CURVES
            .iter()
            .find_map(|curve| wrapped(curve, key.secret_sec1_der()).ok())
            .ok_or(KeyError::Unusable),
        _ => Err(KeyError::Pem),
    }
}

fn wrapped(algorithm: &[u8], key: &[u8]) -> Result<KeyPair, KeyError> {
    let octets = Zeroizing::new(value(OCTETS, &[key]));
    let whole = Zeroizing::new(value(SEQUENCE, &[VERSION_0, algorithm, &octets]));
    let key = PrivatePkcs8KeyDer::from(whole.as_slice());
    KeyPair::try_from(&key).map_err(|_| KeyError::Unusable)
}

/// Tag, length, content.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = length.to_be_bytes();
    let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut whole = Vec::with_capacity(length + 10);
    whole.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => whole.push(short),
        Ok(_) | Err(_) => {
            // A length has 8 bytes at most.
            whole.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
            whole.extend(significant);
        }
    }
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole
}
