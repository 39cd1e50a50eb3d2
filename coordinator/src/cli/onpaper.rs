//! Putting a document on paper: its form, its language, where it goes. Written once for plans and reports.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::{
    Context,
    exit::{Exit, Failure},
};
use crate::paper::{self, Document, Lang, Style};

/// Options of commands that put something on paper.
#[derive(Debug, Clone, clap::Args)]
pub struct OnPaper {
    /// The form; without it that of the ending of --out, else md
    #[arg(long, value_enum, value_name = "html|md|json", hide_possible_values = true)]
    format: Option<Form>,
    /// The language; what planners and hosts wrote may stay English
    #[arg(
        long,
        value_enum,
        default_value_t = Language::En,
        value_name = "en|zh",
        hide_possible_values = true
    )]
    lang: Language,
    /// Write it to a file; without it: to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Html,
    Md,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    En,
    Zh,
}

impl OnPaper {
    /// For whom it is written: in the zone of this machine.
    pub fn style(&self) -> Style {
        let lang = match self.lang {
            Language::En => Lang::En,
            Language::Zh => Lang::Zh,
        };
        Style { lang, zone: TimeZone::system() }
    }

    fn form(&self, json: bool) -> Form {
        let ending = self.out.as_ref().and_then(|path| path.extension()?.to_str());
        let of_ending = match ending {
            Some("html" | "htm") => Some(Form::Html),
            Some("json") => Some(Form::Json),
            Some(_) | None => None,
        };
        let usual = if json { Form::Json } else { Form::Md };
        self.format.or(of_ending).unwrap_or(usual)
    }
}

/// Writes a document, made from `source`.
///
/// # Errors
/// If it cannot be written.
pub fn write<M: Serialize>(
    context: &Context,
    options: &OnPaper,
    document: &Document,
    source: &M,
) -> Result<Exit, Failure> {
    let text = match options.form(context.out.is_json()) {
        Form::Html => paper::html(document),
        Form::Md => paper::markdown(document),
        Form::Json => paper::json(document, source).map_err(|error| {
            Failure::new(Exit::BeforeFirstAct, format!("no JSON: {error}"), "report this as a bug")
        })?,
    };
    let Some(path) = &options.out else {
        context.out.text(&text)?;
        return Ok(Exit::AsAsked);
    };
    let shown = path.display().to_string();
    std::fs::write(path, text).map_err(|error| Failure::file(&shown, "written", &error))?;
    context.out.say(&format!("Written to {shown}."));
    Ok(Exit::AsAsked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_said_or_seen() {
        let on = |format, out: Option<&str>| OnPaper {
            format,
            lang: Language::En,
            out: out.map(PathBuf::from),
        };
        assert_eq!(on(None, None).form(false), Form::Md);
        assert_eq!(on(None, None).form(true), Form::Json);
        assert_eq!(on(None, Some("a.html")).form(false), Form::Html);
        assert_eq!(on(Some(Form::Md), Some("a.html")).form(true), Form::Md);
        assert_eq!(on(None, Some("a.txt")).form(false), Form::Md);
    }
}
