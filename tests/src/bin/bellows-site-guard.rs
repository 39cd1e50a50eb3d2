//! Ends and removes what is left of a test's site when its owner is gone. See `guard`.

fn main() -> anyhow::Result<()> {
    bellows_tests::guard::watch()
}
