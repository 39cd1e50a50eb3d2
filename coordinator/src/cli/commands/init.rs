//! `bellows init`: makes a site.

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    cli::{
        Context,
        exit::{Exit, Failure},
        page::Tone,
    },
    clock::now_ms,
    site,
};

/// Arguments of `bellows init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The site's name, for the eyes
    #[arg(long, default_value = "site")]
    name: String,
    /// Where the API listens for command lines on other machines; without it: local only
    #[arg(long, value_name = "ADDR:PORT")]
    api: Option<SocketAddr>,
    /// Where agents enrol
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:7421")]
    enrolment: SocketAddr,
    /// What agents reach the enrolment address at; without it: as it listens
    #[arg(long, value_name = "HOST:PORT")]
    enrolment_address: Option<String>,
    /// Where the store lives; without it: data in the site's folder
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub fn run(context: &Context, args: &Args) -> Result<Exit, Failure> {
    let folder = context.global.site_folder();
    let shown = folder.display().to_string();
    let absolute = |path: PathBuf| {
        std::path::absolute(path).map_err(|e| Failure::file(&shown, "used as a folder", &e))
    };
    let init = site::Init {
        directory: absolute(folder.clone())?,
        name: args.name.clone(),
        api: args.api,
        enrolment: args.enrolment,
        enrolment_address: args.enrolment_address.clone(),
        socket: context.global.socket.clone().map(absolute).transpose()?,
        data_dir: args.data_dir.clone().map(absolute).transpose()?,
    };
    let made = site::init(&init, now_ms()).map_err(|e| Failure::site(&e))?;
    if context.out.is_json() {
        context.out.json(&serde_json::json!({
            "siteId": made.site_id,
            "authorityFingerprint": made.fingerprint,
            "config": made.config,
            "admin": made.admin,
        }))?;
        return Ok(Exit::AsAsked);
    }
    let mut page = context.out.page();
    page.line(Tone::Strong, &format!("Site {} is made in {shown}", args.name));
    for (name, value) in [
        ("id", made.site_id),
        ("authority", made.fingerprint),
        ("configuration", made.config.display().to_string()),
        ("administrator", made.admin.display().to_string()),
    ] {
        page.line(Tone::Plain, &format!("  {name:<14} {value}"));
    }
    context.out.show(page)?;
    context.out.say(&format!("Start the coordinator with: bellows serve --site {shown}"));
    Ok(Exit::AsAsked)
}
