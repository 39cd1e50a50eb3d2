//! Where the enrolment token comes from: not only from the command line, which everybody on the
//! host can see.

use anyhow::{Context as _, Result, anyhow};
use camino::Utf8PathBuf;
use clap::Args;
use zeroize::Zeroizing;

use super::Token;
use crate::facilities::{Local, secrets};

/// One of the two is given.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct TokenArgs {
    /// From `bellows host token`; "-": the first line of standard input. A token that is written
    /// here can be seen by everybody on the host while this runs
    #[arg(long)]
    token: Option<String>,
    /// The file that has it; nobody else may read it
    #[arg(long, value_name = "FILE")]
    token_file: Option<Utf8PathBuf>,
}

impl TokenArgs {
    /// The token.
    ///
    /// # Errors
    /// If it cannot be read, others may read its file, or it is no token.
    pub fn read(&self, local: &Local) -> Result<Token> {
        let mut text = Zeroizing::new(String::new());
        match (&self.token, &self.token_file) {
            (_, Some(path)) => {
                let secret = secrets::read(local, path)
                    .map_err(|fault| anyhow!("{fault}; {}", fault.remedy))?;
                text.push_str(&String::from_utf8_lossy(secret.expose()));
            }
            (Some(token), None) if token.as_str() != "-" => text.push_str(token),
            (Some(_) | None, None) => {
                std::io::stdin().read_line(&mut text).context("read the token")?;
            }
        }
        Ok(text.parse()?)
    }
}
