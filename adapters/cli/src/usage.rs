//! Invalid arguments, and the help that was asked for.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::colour;
use crate::failure::Failure;
use crate::output::Output;

/// Reports invalid arguments, or prints the help that was asked for.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let output = Output::new(json);
    let text = error.render();
    if !error.use_stderr() {
        let text = if colour::stdout() { text.ansi().to_string() } else { text.to_string() };
        let open = output.check_open();
        if open.is_ok() {
            output.raw(text.as_bytes());
        }
        return match open.and_then(|()| output.finish()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                output.failure(&failure);
                failure.exit_code()
            }
        };
    }
    let text = text.to_string();
    // An argument that is not UTF-8 may be an unknown one too, which is quoted with U+FFFD.
    if error.kind() == ErrorKind::InvalidUtf8 || text.contains('\u{fffd}') {
        let failure = Failure::usage(not_utf8());
        output.failure(&failure);
        return failure.exit_code();
    }
    if json {
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        output.failure(&Failure::usage(first));
    }
    let text = if colour::stderr() { error.render().ansi().to_string() } else { text };
    output.text_to_stderr(&text);
    ExitCode::from(2)
}

/// Which argument, or which of our variables, is not UTF-8.
fn not_utf8() -> String {
    let invalid = |text: &OsStr| text.to_str().is_none();
    if let Some(argument) = std::env::args_os().skip(1).find(|argument| invalid(argument)) {
        return format!("the argument {argument:?} is not UTF-8");
    }
    let ours = |(name, value): (OsString, OsString)| {
        name.to_str().filter(|name| name.starts_with("LP_") && invalid(&value)).map(str::to_owned)
    };
    match std::env::vars_os().find_map(ours) {
        Some(name) => format!("the variable {name} is not UTF-8"),
        None => "an argument is not UTF-8".to_owned(),
    }
}
