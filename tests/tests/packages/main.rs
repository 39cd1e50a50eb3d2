//! Packages and the offline bundle, as `make package` makes them: what they need of a host, and on real systemd hosts
//! without a network what install.sh does with them in each form: installed, upgraded, gone back, removed, purged,
//! and refused when anything of a bundle is not as it was signed. Needs root; belongs to `make test-package`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests stand outside of what they test and must not use its code"
)]

mod agent;
mod bundles;
mod damaged;
mod lives;
mod machine;
mod old_host;
mod symbols;
