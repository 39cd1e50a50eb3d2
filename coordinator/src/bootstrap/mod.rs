//! How hosts are added: a login by ssh, a survey, then the agent is put in its place, enrolled and
//! started. It runs in the administrator's command line, with the administrator's keys: the coordinator's
//! service has none. Knows the API's messages, and whom to ask only through [`add::Coordinator`].

pub mod add;
pub mod bundle;
mod known_hosts;
pub mod list;
pub mod manual;
mod place;
pub mod remote;
pub mod rules;
pub mod survey;

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// As certificates and known hosts are written in: read with or without padding, written without, as
/// `ssh-keygen` prints fingerprints.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
