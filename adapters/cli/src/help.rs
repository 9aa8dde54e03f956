//! Help that a person can use: the options of a client are taken by every command, and shown where they
//! do something.

use clap::{Command, CommandFactory as _};

use crate::args::Args;

/// The heading of the options that only a client needs.
const CLIENT: &str = "Client";

/// Commands that make no client, or only some of its choices, and which of its options each heeds.
const FEW: &[(&[&str], &[&str])] = &[
    (&["demo"], &["runtime"]),
    (&["sandbox"], &[]),
    (&["sandbox", "agent"], &["domain_api"]),
    (&["webhook", "verify"], &["client_secret_file"]),
    (&["webhook", "decode"], &[]),
    (&["webhook", "listen"], &["account", "client_id", "client_secret_file"]),
    (&["manifest"], &[]),
    (&["manifest", "new"], &[]),
    (&["manifest", "check"], &[]),
    (&["manifest", "explain"], &[]),
    (&["completions"], &[]),
];

/// The whole command line.
pub(crate) fn command() -> Command {
    let mut command = Args::command();
    // Only now do the subcommands have the options that all have in common.
    command.build();
    FEW.iter().fold(command, |command, (path, heeded)| quiet(command, path, heeded))
}

fn quiet(command: Command, path: &[&'static str], heeded: &[&str]) -> Command {
    match path.split_first() {
        Some((first, rest)) => {
            command.mut_subcommand(first, |subcommand| quiet(subcommand, rest, heeded))
        }
        None => command.mut_args(|arg| {
            let hidden =
                arg.get_help_heading() == Some(CLIENT) && !heeded.contains(&arg.get_id().as_str());
            arg.hide(hidden)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_the_options_that_do_something() {
        let help = |path: &[&str]| {
            let mut command = command();
            let mut at = &mut command;
            for name in path {
                at = at.find_subcommand_mut(name).unwrap();
            }
            at.render_long_help().to_string()
        };
        for (path, shown, silent) in [
            (&["send"][..], &["--runtime", "--account", "--consumer"][..], &[][..]),
            (&["demo"], &["--runtime", "--tour"], &["--account"]),
            (&["manifest", "check"], &["--json"], &["--runtime", "--account", "Client:"]),
            (&["webhook", "verify"], &["--client-secret-file"], &["--runtime", " --secret-file"]),
            (&["webhook", "listen"], &["--client-id", "--listen"], &["--deadline"]),
            (&["sandbox", "agent"], &["--domain-api"], &["--client-id"]),
        ] {
            let help = help(path);
            assert!(shown.iter().all(|option| help.contains(option)), "{help}");
            assert!(!silent.iter().any(|option| help.contains(option)), "{help}");
        }
    }

    #[test]
    fn every_command_that_heeds_few_is_there() {
        for (path, heeded) in FEW {
            let mut at = &command();
            for name in *path {
                at = at.find_subcommand(name).unwrap();
            }
            for option in *heeded {
                assert!(at.get_arguments().any(|arg| arg.get_id() == option), "{path:?} {option}");
            }
        }
    }
}
