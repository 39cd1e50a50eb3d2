//! Members as JSON: the API's own form.

use bellows_proto::v1::MemberView;
use serde::Serializer;

/// Serialises members as the API does.
pub(super) fn views<S: Serializer>(views: &[MemberView], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(views)
}
