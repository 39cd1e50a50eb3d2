//! Questions to the administrator before something changes. `--yes` and the like stand for an answer
//! where nobody can be asked.

use std::io::{self, IsTerminal as _};

use super::{Context, exit::Failure, page::Page};

/// Shows what it is about and asks for a word; says that nothing was changed if another one is typed.
///
/// # Errors
/// With `remedy` if standard input is no terminal.
pub fn agreed(
    context: &Context,
    about: Page,
    question: &str,
    word: &str,
    remedy: &str,
) -> Result<bool, Failure> {
    context.out.note(about);
    let nobody = "nobody is there to agree: standard input is no terminal; nothing was changed";
    let agreed = answer(context, question, nobody, remedy)? == word;
    if !agreed {
        context.out.say("Nothing was changed.");
    }
    Ok(agreed)
}

/// The line that is typed to a question, without white space around it.
///
/// # Errors
/// With `nobody` and `remedy` if standard input is no terminal.
pub fn answer(
    context: &Context,
    question: &str,
    nobody: &str,
    remedy: &str,
) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(nobody, remedy));
    }
    context.out.prompt(question);
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|e| Failure::usage(format!("no answer can be read: {e}"), remedy))?;
    Ok(answer.trim().to_owned())
}
