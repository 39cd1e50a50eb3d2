//! Peers of different releases talk to each other, and read what the other has stored: the protocol of
//! today is held against that of each release in `proto/releases`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod compare;
mod made_up;

use std::path::Path;

use prost::Message as _;
use prost_types::FileDescriptorSet;

#[test]
fn the_protocol_goes_with_that_of_each_release() {
    let today = FileDescriptorSet::decode(bellows_proto::FILE_DESCRIPTOR_SET).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("releases");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "binpb") {
            continue;
        }
        let kept = FileDescriptorSet::decode(&*std::fs::read(&path).unwrap()).unwrap();
        assert!(!kept.file.is_empty(), "{} is empty", path.display());
        let breaks = compare::breaks(&kept, &today);
        assert!(
            breaks.is_empty(),
            "the protocol does not go with {}:\n{}",
            path.display(),
            breaks.join("\n")
        );
        seen += 1;
    }
    assert!(seen > 0, "no release is kept in {}", folder.display());
}
