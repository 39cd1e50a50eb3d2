//! The guard ends and removes what its owner leaves. An owner that is killed and one that ends
//! look alike to it: its input ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bellows_tests::{guard::Guard, process, reap, site::temporary};

#[tokio::test]
async fn nothing_is_left_when_the_owner_is_gone() {
    let folder = temporary("guard").unwrap();
    let folders = vec![folder.clone()];
    std::fs::write(folder.join("a file"), "x").unwrap();
    let sleeper = |command: &mut tokio::process::Command| command.arg("600").spawn().unwrap();
    let by_folder = sleeper(process::command("sleep").current_dir(&folder));
    let by_environment = sleeper(process::command("sleep").env("HOME", &folder));
    let stranger = sleeper(&mut process::command("sleep"));
    assert_eq!(reap::processes(&folders).len(), 2);

    let guard = Guard::over(&folders).unwrap();
    assert!(folder.exists());
    drop(guard);
    assert!(!folder.exists());
    for mut ended in [by_folder, by_environment] {
        assert!(!ended.wait().await.unwrap().success());
    }
    let mut stranger = stranger;
    assert!(stranger.try_wait().unwrap().is_none(), "the guard killed a stranger");
}
