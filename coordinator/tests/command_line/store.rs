//! `bellows store`, beside a running coordinator and without one.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_store_is_backed_up_and_not_checked() {
    let world = World::start().await;
    assert_eq!(world.create(&["--yes"]).await.code, 0);
    let site = world.running.folder.path().display().to_string();
    let file = format!("{site}/backup");
    let backup = world.run(&["store", "backup", &file]).await;
    assert_eq!(backup.code, 0, "{backup:?}");
    assert!(backup.err.contains("verified"), "{backup:?}");
    assert_eq!(world.run(&["store", "backup", &file]).await.code, 2);
    let prune = world.run(&["store", "prune", "--older-than", "1d", "--yes"]).await;
    assert_eq!((prune.code, prune.out.as_str()), (0, "0 events of 0 operations were taken out\n"));
    world.running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_restored_from_a_whole_backup_only() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (site, file, cut) = (path("site"), path("backup"), path("cut"));
    let store = async |words: &[&str]| {
        world.run(&[&["store"], words, &["--site", site.as_str()]].concat()).await
    };
    assert_eq!(world.run(&["init", "--site", &site]).await.code, 0);
    let backup = store(&["backup", &file, "--offline"]).await;
    assert_eq!(backup.code, 0, "{backup:?}");
    let sound = store(&["check"]).await;
    assert_eq!(sound.code, 0, "{sound:?}");
    assert_eq!(store(&["restore", &file]).await.code, 2);

    let data = folder.path().join("site/data");
    std::fs::rename(data.join("store"), data.join("old")).unwrap();
    assert_eq!(store(&["check"]).await.code, 2);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &whole[..whole.len() - 9]).unwrap();
    let refused = store(&["restore", &cut]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("cannot be restored, and nothing was changed"), "{refused:?}");
    assert!(!data.join("store").exists());

    let restored = store(&["restore", &file]).await;
    assert_eq!(restored.code, 0, "{restored:?}");
    let doubted = store(&["check"]).await;
    assert_eq!(doubted.code, 3, "{doubted:?}");
    assert!(doubted.out.contains("in doubt: the store was restored from a backup"), "{doubted:?}");
    std::fs::write(data.join("store/watermark"), "rubbish").unwrap();
    let damaged = store(&["check"]).await;
    assert_eq!(damaged.code, 1, "{damaged:?}");
    world.running.end().await;
}
