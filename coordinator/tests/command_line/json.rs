//! `--output json`: every command prints what `docs/json.md` and the schema say, and nothing else.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{schema::mistakes, *};

const PUBLISHED: &str = "docs/bellows.schema.json";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// After a change of the messages: `BELLOWS_SCHEMA=overwrite cargo test -p bellows --test command_line schema`.
#[test]
fn the_published_schema_is_that_of_the_messages() {
    let mut made = serde_json::to_string_pretty(&schema::schema()).unwrap();
    made.push('\n');
    let path = repository(PUBLISHED);
    if std::env::var_os("BELLOWS_SCHEMA").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == made,
        "{PUBLISHED} is not that of the messages: BELLOWS_SCHEMA=overwrite writes it anew"
    );
}

#[test]
fn a_field_that_the_schema_does_not_have_is_a_mistake() {
    let schema = schema::schema();
    let good = serde_json::json!({ "hosts": [{ "host": "h1", "lastSeenAtMs": "17" }] });
    assert_eq!(mistakes(&schema, "ListHostsReply", &good), Vec::<String>::new());
    for bad in [
        serde_json::json!({ "hosts": [{ "host": "h1", "colour": "red" }] }),
        serde_json::json!({ "hosts": [{ "lastSeenAtMs": 17 }] }),
        serde_json::json!([]),
    ] {
        assert_eq!(mistakes(&schema, "ListHostsReply", &bad).len(), 1, "{bad}");
    }
}

#[test]
fn the_pages_name_messages_that_the_schema_has() {
    for page in ["docs/json.md", "docs/zh-CN/json.md"] {
        let text = std::fs::read_to_string(repository(page)).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `bellows "));
        let named =
            rows.filter_map(|row| row.split(" | ").nth(1)?.strip_prefix('`')?.strip_suffix('`'));
        let wrong: Vec<_> = named.filter(|name| !schema::PRINTED.contains(name)).collect();
        assert!(wrong.is_empty(), "{page}: {wrong:?}");
    }
}

/// The message that a row of the table in a page names for a command: `` | `command` | `Message` ``.
fn documented(page: &str, command: &str) -> Option<String> {
    let text = std::fs::read_to_string(repository(page)).unwrap();
    let row = text.lines().find(|line| line.starts_with(&format!("| `bellows {command}` |")))?;
    Some(row.split('`').nth(3)?.to_owned())
}

struct Checker<'a> {
    world: &'a World,
    schema: Value,
}

impl Checker<'_> {
    /// Runs it, and holds each line against the message that the pages name for the command.
    async fn prints(&self, command: &str, more: &[&str], code: i32) -> Vec<Value> {
        let message = documented("docs/json.md", command).unwrap_or_else(|| panic!("{command}"));
        assert_eq!(documented("docs/zh-CN/json.md", command), Some(message.clone()));
        self.prints_message(&message, command, more, code).await
    }

    async fn prints_message(
        &self,
        message: &str,
        command: &str,
        more: &[&str],
        code: i32,
    ) -> Vec<Value> {
        let words: Vec<&str> = command.split(' ').chain(more.iter().copied()).collect();
        let ended = self.world.run(&[&words[..], &["--output", "json"]].concat()).await;
        assert_eq!(ended.code, code, "{command}: {ended:?}");
        let read = |line: &str| -> Value {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{command}: {e}: {line}"))
        };
        let lines: Vec<Value> = ended.out.lines().map(read).collect();
        assert!(!lines.is_empty(), "{command}: {ended:?}");
        for line in &lines {
            let found = mistakes(&self.schema, message, line);
            assert!(found.is_empty(), "{command} prints no {message}: {found:?}");
        }
        lines
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_prints_the_message_that_is_documented() {
    let world = World::start().await;
    let check = Checker { world: &world, schema: schema::schema() };
    world.trouble(8, Trouble::Fails);
    let create = &CREATE[2..];
    let plan = [create, &["--dry-run"]].concat();
    check.prints_message("Plan", "cluster create", &plan, 0).await;
    check.prints("cluster create", &[create, &["--yes"]].concat(), 3).await;
    let id = world.newest("held", 8).await;
    check.prints("status", &[], 0).await;
    check.prints_message("ClusterStatus", "status", &["shelf"], 0).await;
    check.prints("op list", &[], 0).await;
    check.prints("op show", &[&id], 0).await;
    check.prints("op watch", &[&id], 3).await;
    check.prints("op logs", &[&id], 0).await;
    check.prints("op retry", &[&id], 0).await;
    check.prints("host list", &[], 0).await;
    check.prints("host show", &["h1"], 0).await;
    check.prints("host token", &["h9"], 0).await;
    check.prints("cluster list", &[], 0).await;
    check.prints("cluster show", &["shelf"], 0).await;
    check.prints("cluster history", &["shelf"], 0).await;
    check.prints("job list", &[], 0).await;
    check.prints("audit show", &[], 0).await;
    check.prints("audit verify", &[], 8).await;
    check.prints("store prune", &["--older-than", "9d", "--yes"], 0).await;
    let refused = ["shelf", "--node", "n@h1", "--system", "postgresql", "--yes"];
    let again = world.run(&[&["cluster", "create"], &refused[..]].concat()).await;
    assert_eq!((again.code, again.out.as_str()), (2, ""), "an error is no data");
    let forget = &["shelf", "--forget-nodes", "--yes"];
    check.prints("cluster delete", forget, 0).await;
    world.running.end().await;
}
