//! `make keep-protocol`: keeps the protocol of this version in `proto/releases`, for all later versions to be
//! held against. What is kept is never written over.
#![allow(missing_docs)]

use std::{path::Path, process::ExitCode};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() -> ExitCode {
    match keep() {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("keep_release: {error}");
            ExitCode::FAILURE
        }
    }
}

fn keep() -> Result<String, Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(format!("{name:?} is no version").into());
    }
    let mut set = FileDescriptorSet::decode(bellows_proto::FILE_DESCRIPTOR_SET)?;
    // Comments and places in the text are no protocol.
    for file in &mut set.file {
        file.source_code_info = None;
    }
    let bytes = set.encode_to_vec();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("releases").join(format!("{name}.binpb"));
    let shown = path.display();
    match std::fs::File::create_new(&path) {
        Ok(mut file) => {
            std::io::Write::write_all(&mut file, &bytes)?;
            Ok(format!("{shown} is written: add it to git"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            if std::fs::read(&path)? == bytes {
                return Ok(format!("{shown} is there already, and the same"));
            }
            let text =
                "is there already, and another one: a release's protocol is never written over";
            Err(format!("{shown} {text}").into())
        }
        Err(error) => Err(format!("{shown}: {error}").into()),
    }
}
