//! The command line as a shell sees it, without a coordinator: help, usage, exit statuses.

#[test]
fn what_a_shell_sees() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli");
    trycmd::TestCases::new()
        .env("BELLOWS_SOCKET", "/proc/nonexistent/bellows.sock")
        .env("NO_COLOR", "1")
        .case(format!("{folder}/*.trycmd"));
}
