//! `bellows op logs`: the captured output of the operation's jobs.

use bellows_proto::v1::{JobKey, OperationOutput, ReadOperationOutputRequest};

use crate::cli::{
    Context,
    exit::{Exit, Failure},
    page::Tone,
    text::escape_output,
};

/// Arguments of `bellows op logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operation's id
    operation: String,
    /// Only of this step
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    step: u32,
    /// Go on until the operation rests
    #[arg(long, short)]
    follow: bool,
}

pub async fn run(context: &Context, args: Args) -> Result<Exit, Failure> {
    let client = context.client()?;
    let Args { operation, step, follow } = args;
    let request = ReadOperationOutputRequest { operation, step, follow };
    let mut api = client.api.clone();
    let mut chunks = client.answer(api.read_operation_output(request)).await?;
    let mut reading: Option<JobKey> = None;
    loop {
        let next = tokio::select! {
            next = chunks.message() => next.map_err(|e| client.failure(&e))?,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::ViewLeft),
        };
        let Some(output) = next else { return Ok(Exit::AsAsked) };
        if context.out.is_json() {
            context.out.json(&output)?;
            continue;
        }
        if output.key != reading {
            reading.clone_from(&output.key);
            heading(context, &output);
        }
        let bytes = output.chunk.map(|chunk| chunk.bytes).unwrap_or_default();
        context.out.text(&escape_output(&String::from_utf8_lossy(&bytes)))?;
    }
}

/// Which job the lines below are of.
fn heading(context: &Context, output: &OperationOutput) {
    let attempt = output.key.as_ref().map_or(0, |key| key.attempt);
    let mut page = context.out.note_page();
    let text = format!("-- step {} at {}, attempt {attempt}", output.step, output.host);
    page.line(Tone::Strong, &text);
    if let Some(skipped) = output.chunk.as_ref().map(|chunk| chunk.skipped).filter(|n| *n > 0) {
        page.line(Tone::Warn, &format!("-- {skipped} bytes before this were rotated away"));
    }
    context.out.note(page);
}
