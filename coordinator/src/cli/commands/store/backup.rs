//! `bellows store backup`.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bellows_proto::v1::BackupStoreRequest;

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
    },
    serve::offline,
};

/// Arguments of `bellows store backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to write; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Read the store of a stopped coordinator
    #[arg(long)]
    offline: bool,
}

pub async fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let shown = args.file.display().to_string();
    if args.file.exists() {
        return Err(Failure::usage(format!("{shown} is there already"), "name another file"));
    }
    let mut name = args.file.clone().into_os_string();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let written = write(context, args, &partial).await.and_then(|()| {
        let entries = offline::verify_backup(&partial).map_err(|e| super::offline(&e))?;
        place(&partial, &args.file).map_err(|e| Failure::file(&shown, "written", &e))?;
        Ok(entries)
    });
    match written {
        Ok(values) if context.out.is_json() => {
            context.out.json(&serde_json::json!({ "file": shown, "values": values }))?;
        }
        Ok(values) => {
            context.out.say(&format!("{shown} holds the store: {values} values, verified"));
        }
        Err(failure) => {
            let _ = std::fs::remove_file(&partial);
            return Err(failure);
        }
    }
    Ok(Exit::AsAsked)
}

async fn write(context: &Context, args: &Args, partial: &Path) -> Result<(), Failure> {
    let shown = partial.display().to_string();
    let failed = |e: io::Error| Failure::file(&shown, "written", &e);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(partial)
        .map_err(failed)?;
    if args.offline {
        let site = context.global.site_folder();
        offline::backup(&site, |part| file.write_all(part)).map_err(|e| super::offline(&e))?;
    } else {
        let client = context.client()?;
        let mut parts =
            client.answer(client.api.clone().backup_store(BackupStoreRequest {})).await?;
        while let Some(part) = parts.message().await.map_err(|e| client.failure(&e))? {
            file.write_all(&part.data).map_err(failed)?;
        }
    }
    file.sync_all().map_err(failed)
}

/// Gives it its name, durably.
fn place(partial: &Path, file: &Path) -> io::Result<()> {
    std::fs::rename(partial, file)?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
