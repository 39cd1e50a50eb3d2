//! The demo's program, before anything is started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use bellows_tests::process;

#[tokio::test]
async fn a_system_without_a_demo_is_bad_usage() {
    let mut demo = process::command(env!("CARGO_BIN_EXE_bellows-demo"));
    demo.env("SYSTEM", "abacus");
    let ended = process::run(demo, Duration::from_secs(20)).await.unwrap();
    assert_eq!(ended.expect_code(2).unwrap(), "");
    assert!(ended.stderr.contains("abacus") && ended.stderr.contains("postgresql"));
}
