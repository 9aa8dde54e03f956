//! Whether to colour output: the conventions of `NO_COLOR`, `CLICOLOR_FORCE` and `CLICOLOR`.
//!
//! <https://no-color.org> and <https://bixense.com/clicolors>: the first that applies decides.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

/// Whether to colour what goes to stdout.
pub(crate) fn stdout() -> bool {
    decide(io::stdout().is_terminal(), |name| std::env::var_os(name))
}

/// Whether to colour what goes to stderr.
pub(crate) fn stderr() -> bool {
    decide(io::stderr().is_terminal(), |name| std::env::var_os(name))
}

fn decide(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    let off = set("CLICOLOR").is_some_and(|value| value == "0");
    let dumb = set("TERM").is_some_and(|value| value == "dumb");
    terminal && !off && !dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_applies_decides() {
        for (variables, on_terminal, elsewhere) in [
            (&[][..], true, false),
            (&[("NO_COLOR", "1")], false, false),
            (&[("NO_COLOR", "0")], false, false),
            (&[("NO_COLOR", "")], true, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "yes")], true, true),
            (&[("CLICOLOR_FORCE", "0")], true, false),
            (&[("CLICOLOR_FORCE", "")], true, false),
            (&[("CLICOLOR", "0")], false, false),
            (&[("CLICOLOR", "1")], true, false),
            (&[("CLICOLOR", "")], true, false),
            (&[("TERM", "dumb")], false, false),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false, false),
            (&[("NO_COLOR", ""), ("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true, true),
            (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true, true),
        ] {
            let get = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(decide(true, get), on_terminal, "{variables:?} on a terminal");
            assert_eq!(decide(false, get), elsewhere, "{variables:?} elsewhere");
        }
    }
}
