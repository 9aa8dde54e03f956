//! Invalid arguments, and the help that was asked for.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use lp_connector_core::spelling::nearest;

use crate::colour;
use crate::failure::Failure;
use crate::help;
use crate::output::Output;

/// Reports invalid arguments, or prints the help that was asked for.
pub(crate) fn report(mut error: clap::Error) -> ExitCode {
    if let Some(tip) = other_order(&error, &arguments()) {
        let tip = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    let error = &error;
    let json = is_given("--json");
    let output = Output::new(json);
    let text = error.render();
    if !error.use_stderr() {
        let text = if colour::stdout() { text.ansi().to_string() } else { text.to_string() };
        let open = output.check_open();
        if open.is_ok() {
            output.raw(text.as_bytes());
        }
        return output.exit(open);
    }
    let text = text.to_string();
    // An argument that is not UTF-8 may be an unknown one too, which is quoted with U+FFFD.
    if error.kind() == ErrorKind::InvalidUtf8 || text.contains('\u{fffd}') {
        let failure = Failure::usage(not_utf8());
        output.failure(&failure);
        return failure.exit_code();
    }
    // The value of a variable is judged as that of its option.
    if let Some((variable, reason)) = variable(error) {
        let failure = Failure::usage(format!("the variable {variable}: {reason}"));
        output.failure(&failure);
        return failure.exit_code();
    }
    if json {
        output.failure(&Failure::usage(in_one_line(&text)));
    }
    let text = if colour::stderr() { error.render().ansi().to_string() } else { text };
    output.text_to_stderr(&text);
    ExitCode::from(2)
}

/// The arguments that are text.
fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).filter_map(|one| one.into_string().ok()).collect()
}

/// The right order, where the command comes after its argument, as in `sandbox faults all off`.
fn other_order(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(unknown))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return None;
    };
    let (mut command, mut path) = (&help::command(), vec!["lp-connector"]);
    let at = arguments.iter().position(|one| one == unknown)?;
    for name in arguments.get(..at)? {
        if let Some(below) = command.find_subcommand(name) {
            (command, path) = (below, [&path[..], &[name]].concat());
        }
    }
    let after = arguments.get(at + 1).filter(|next| command.find_subcommand(next).is_some())?;
    path.extend([after.as_str(), unknown]);
    Some(format!("the command comes first: '{}'", path.join(" ")))
}

/// The variable whose value is invalid, and why.
fn variable(error: &clap::Error) -> Option<(String, String)> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg)?.split(' ').next()?;
    let variable = of_variable(&help::command(), flag.strip_prefix("--")?)?;
    if is_given(flag) {
        return None;
    }
    let value = context(ContextKind::InvalidValue)?;
    let reason = std::error::Error::source(error)?;
    Some((variable, format!("{value:?} is invalid: {reason}")))
}

/// The variable of an option of any command.
fn of_variable(command: &Command, option: &str) -> Option<String> {
    let mut arguments = command.get_arguments();
    let variable = arguments.find_map(|argument| {
        let variable = argument.get_env().filter(|_| argument.get_long() == Some(option))?;
        variable.to_str().map(str::to_owned)
    });
    variable.or_else(|| command.get_subcommands().find_map(|one| of_variable(one, option)))
}

/// The known name that was probably meant, as a question to put behind an unknown one. Empty if none is near.
pub(crate) fn meant<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default()
}

/// Whether an option is among the arguments.
pub(crate) fn is_given(flag: &str) -> bool {
    let options = std::env::args_os().skip(1).take_while(|argument| argument != "--");
    let mut options = options.filter_map(|argument| argument.into_string().ok());
    options.any(|option| option.split('=').next() == Some(flag))
}

/// The option if it is given, otherwise its variable: what a person has to change.
pub(crate) fn place(flag: &str, variable: &str) -> String {
    if is_given(flag) { flag.to_owned() } else { format!("the variable {variable}") }
}

/// The text of an error without its usage, in one line.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let lines = lines.map(str::trim).filter(|line| !line.starts_with("For more information"));
    let mut joined = String::new();
    let mut listing = false;
    for line in lines.filter(|line| !line.is_empty()) {
        // What is missing follows a colon, a line each.
        let separator = match joined.chars().next_back() {
            None => "",
            Some(':') => " ",
            _ if listing && !line.contains(':') => ", ",
            _ => "; ",
        };
        listing |= joined.ends_with(':');
        joined.push_str(separator);
        joined.push_str(line);
    }
    joined.trim_start_matches("error: ").to_owned()
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
