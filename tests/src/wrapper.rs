//! Wrappers around the system's own tools that count their runs. They know nothing of Bellows:
//! each appends one line to a log (when, who, what, how) and becomes the real tool. Where a file
//! of traps ([`crate::kills::trap`]) stands beside the log, the tool first falls into its trap.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Where Debian keeps PostgreSQL 15 and repmgr.
pub const POSTGRESQL_BIN: &str = "/usr/lib/postgresql/15/bin";
/// One wrapper each.
pub const POSTGRESQL_TOOLS: [&str; 13] = [
    "initdb",
    "pg_basebackup",
    "pg_checksums",
    "pg_config",
    "pg_controldata",
    "pg_ctl",
    "pg_isready",
    "pg_rewind",
    "pg_verifybackup",
    "postgres",
    "psql",
    "repmgr",
    "repmgrd",
];

/// What was logged of one run of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Nanoseconds since 1970.
    pub at_ns: u128,
    /// Process id, that of the tool too.
    pub pid: u32,
    /// The tool's name.
    pub tool: String,
    /// `PGOPTIONS` of its environment.
    pub pgoptions: String,
    /// The SQL that a writing `psql` read from its standard input, white space folded.
    pub statement: String,
    /// Arguments, white space folded.
    pub args: Vec<String>,
}

// One `printf` per line: lines of tools that run at once do not mix. Only a psql that may write
// has its input read, so that two statements can be told from one that ran twice.
const SCRIPT: &str = r#"#!/bin/sh
# Appends one line for each run of the tool to a log, then becomes the tool.
tab='	'; nl='
'
args=''
for arg in "$@"; do
  case $arg in
  *"$tab"* | *"$nl"*) arg=$(printf %s "$arg" | /usr/bin/tr '\t\n' '  ') ;;
  esac
  args="$args$tab$arg"
done
line="$(/usr/bin/date +%s%N)$tab$$$tab""@TOOL@$tab${PGOPTIONS-}"
case "@TOOL@ ${PGOPTIONS-}" in
*default_transaction_read_only=on*) input=no ;;
psql*) input=yes; [ ! -c /dev/stdin ] || input=no ;;
*) input=no ;;
esac
folded=''
if [ $input = yes ]; then
  statement=$(/usr/bin/cat)
  folded=$(printf %s "$statement" | /usr/bin/tr '\t\n' '  ')
fi
printf '%s\n' "$line$tab$folded$args" >>'@LOG@'
run() {
  if [ $input = yes ]; then
    "$@" <<END
$statement
END
  else
    "$@"
  fi
}
tool='@TOOL@'; after=''
[ ! -r '@LOG@.trap' ] || . '@LOG@.trap'
[ -n "$after" ] || run exec '@REAL@' "$@"
run '@REAL@' "$@"
code=$?
eval "$after"
exit $code
"#;

/// The text of the wrapper of one tool.
pub fn script(tool: &str, real: &Path, log: &Path) -> String {
    SCRIPT
        .replace("@TOOL@", tool)
        .replace("@REAL@", &real.to_string_lossy())
        .replace("@LOG@", &log.to_string_lossy())
}

/// As [`script`], of a tool whose process bears the wrapper's path as its name: for who looks at processes and knows the
/// wrapper only.
pub fn script_by_name(tool: &str, real: &Path, own: &Path, log: &Path) -> String {
    // Only bash can give a process another name.
    script(tool, real, log)
        .replace("#!/bin/sh\n", "#!/bin/bash\n")
        .replace("run exec ", &format!("run exec -a '{}' ", own.to_string_lossy()))
}

/// Makes a folder with a wrapper for each tool of `real_bin`, and an empty log that every
/// user may append to.
///
/// # Errors
/// A tool is not there (its package is not installed), or a file cannot be made.
pub fn install(folder: &Path, log: &Path, real_bin: &Path, tools: &[&str]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
    std::fs::write(log, "").with_context(|| format!("log {}", log.display()))?;
    std::fs::set_permissions(log, std::fs::Permissions::from_mode(0o666))
        .context("mode of the log")?;
    for tool in tools {
        let real = real_bin.join(tool);
        if !real.exists() {
            bail!("{} is not there: run `make setup`", real.display());
        }
        let path = folder.join(tool);
        std::fs::write(&path, script(tool, &real, log))
            .with_context(|| format!("write {}", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .context("mode of a wrapper")?;
    }
    Ok(())
}

/// All runs in a log, in the order in which they began.
///
/// # Errors
/// The log cannot be read, or a line is not of the wrapper's form.
pub fn read(log: &Path) -> Result<Vec<Run>> {
    let text = std::fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
    parse(&text)
}

/// As [`read`], from the log's text.
///
/// # Errors
/// A line is not of the wrapper's form.
pub fn parse(text: &str) -> Result<Vec<Run>> {
    text.lines()
        .map(|line| parse_line(line).with_context(|| format!("line {line:?} of the tool log")))
        .collect()
}

fn parse_line(line: &str) -> Result<Run> {
    let mut fields = line.split('\t');
    let mut next = |what: &'static str| fields.next().context(what);
    Ok(Run {
        at_ns: next("no time")?.parse().context("time")?,
        pid: next("no process")?.parse().context("process")?,
        tool: next("no tool")?.to_owned(),
        pgoptions: next("no options")?.to_owned(),
        statement: next("no statement")?.to_owned(),
        args: fields.map(str::to_owned).filter(|arg| !arg.is_empty()).collect(),
    })
}

/// The log of a folder of wrappers, as this crate lays it out.
pub fn log_beside(folder: &Path) -> PathBuf {
    folder.with_extension("log")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_wrapper_logs_and_becomes_the_tool() {
        let folder = crate::site::temporary("wrapper").unwrap();
        let real = folder.join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("psql"), "#!/bin/sh\ncat; printf '<%s>' \"$@\"; exit 3\n")
            .unwrap();
        std::fs::set_permissions(real.join("psql"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        let (bin, log) = (folder.join("bin"), folder.join("bin.log"));
        install(&bin, &log, &real, &["psql"]).unwrap();

        let mut writing = crate::process::command("sh");
        writing.args([
            "-c",
            "echo 'drop $x `id`;' | \"$0\" -v 'a b=\nc' -d d",
            bin.join("psql").to_str().unwrap(),
        ]);
        let ended = crate::process::run(writing, std::time::Duration::from_secs(10)).await.unwrap();
        assert_eq!(ended.expect_code(3).unwrap(), "drop $x `id`;\n<-v><a b=\nc><-d><d>");
        let mut reading = crate::process::command(bin.join("psql"));
        reading.env("PGOPTIONS", "-c default_transaction_read_only=on").arg("-d").arg("d");
        crate::process::run(reading, std::time::Duration::from_secs(10)).await.unwrap();

        let runs = read(&log).unwrap();
        assert_eq!(runs.len(), 2);
        assert_eq!(runs[0].statement, "drop $x `id`;");
        assert_eq!(runs[0].args, ["-v", "a b= c", "-d", "d"]);
        assert_eq!(runs[1].statement, "");
        assert_eq!(runs[1].pgoptions, "-c default_transaction_read_only=on");
        assert!(runs[0].at_ns < runs[1].at_ns && runs[0].tool == "psql");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
