//! Help texts that show only the options that a command uses. Every command accepts all options of the
//! client.

use clap::{Command, CommandFactory as _};

use crate::args::Args;

/// The heading of the client's options.
const CLIENT: &str = "Client";

/// Commands that use only some of the client's options, and the options that each uses.
const USES: &[(&[&str], &[&str])] = &[
    (&["demo"], &["runtime"]),
    (&["sandbox"], &[]),
    (&["bridge"], BRIDGE),
    (&["bridge", "config"], &[]),
    (&["bridge", "config", "check"], BRIDGE),
    (&["bridge", "status"], &["ca_file"]),
    (&["bridge", "lanes"], &["ca_file"]),
    (&["bridge", "dead-letters"], &["ca_file"]),
    (&["bridge", "replay"], &["ca_file"]),
    (&["bridge", "settle"], &["ca_file"]),
    (&["bridge", "outbox"], &["ca_file"]),
    (&["bridge", "adopt"], &["ca_file"]),
    (&["bridge", "forget"], &["ca_file"]),
    (&["bridge", "pause"], &["ca_file"]),
    (&["bridge", "resume"], &["ca_file"]),
    (&["sandbox", "env"], &[]),
    (&["sandbox", "agent"], CONTROL),
    (&["sandbox", "conversations"], CONTROL),
    (&["sandbox", "faults"], &[]),
    (&["sandbox", "faults", "list"], CONTROL),
    (&["sandbox", "faults", "add"], CONTROL),
    (&["sandbox", "faults", "on"], CONTROL),
    (&["sandbox", "faults", "off"], CONTROL),
    (&["sandbox", "faults", "remove"], CONTROL),
    (&["sandbox", "faults", "presets"], CONTROL),
    (&["trigger"], CONTROL),
    (&["webhook", "replay"], CONTROL),
    (&["webhook", "verify"], &["client_secret_file", "profile"]),
    (&["webhook", "sign"], &["client_secret_file", "profile"]),
    (&["webhook", "decode"], &[]),
    (&["webhook", "send"], ENDPOINT),
    (&["webhook", "listen"], LISTENER),
    (&["manifest"], &[]),
    (&["manifest", "new"], &[]),
    (&["manifest", "check"], &[]),
    (&["manifest", "explain"], &[]),
    (&["profile"], &[]),
    (&["profile", "list"], &[]),
    (&["profile", "show"], &[]),
    (&["schema"], &[]),
    (&["man"], &[]),
    (&["completions"], &[]),
];

/// What leads to a running sandbox.
const CONTROL: &[&str] = &["domain_api", "ca_file", "profile"];

/// What a webhook endpoint needs: with the Domain API it finds a sandbox.
const LISTENER: &[&str] =
    &["domain_api", "account", "client_id", "client_secret_file", "ca_file", "profile"];

/// What a post to a webhook endpoint needs.
const ENDPOINT: &[&str] = &["account", "client_id", "client_secret_file", "ca_file", "profile"];

/// What a bridge's configuration takes from the options that every command has.
const BRIDGE: &[&str] =
    &["account", "client_id", "client_secret_file", "domain_api", "ca_file", "trust_suffix"];

/// The whole command line.
pub(crate) fn command() -> Command {
    let mut command = Args::command();
    // The subcommands get the global options only now.
    command.build();
    USES.iter().fold(command, |command, (path, uses)| hide_unused(command, path, uses))
}

/// Hides the client's options that a subcommand does not use.
fn hide_unused(command: Command, path: &[&'static str], uses: &[&str]) -> Command {
    match path.split_first() {
        Some((first, rest)) => {
            command.mut_subcommand(first, |subcommand| hide_unused(subcommand, rest, uses))
        }
        None => command.mut_args(|arg| {
            let unused =
                arg.get_help_heading() == Some(CLIENT) && !uses.contains(&arg.get_id().as_str());
            arg.hide(unused)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_shows_the_options_that_a_command_uses() {
        let help = |path: &[&str]| {
            let mut command = command();
            let mut found = &mut command;
            for name in path {
                found = found.find_subcommand_mut(name).unwrap();
            }
            found.render_long_help().to_string()
        };
        for (path, shown, hidden) in [
            (&["send"][..], &["--runtime", "--account", "--consumer"][..], &[][..]),
            (&["demo"], &["--runtime", "--tour"], &["--account"]),
            (&["manifest", "check"], &["--json"], &["--runtime", "--account", "Client:"]),
            (&["webhook", "verify"], &["--client-secret-file"], &["--runtime", " --secret-file"]),
            (&["webhook", "listen"], &["--client-id", "--listen"], &["--deadline"]),
            (&["sandbox", "agent"], &["--domain-api"], &["--client-id"]),
        ] {
            let help = help(path);
            assert!(shown.iter().all(|option| help.contains(option)), "{help}");
            assert!(!hidden.iter().any(|option| help.contains(option)), "{help}");
        }
    }

    #[test]
    fn every_listed_command_and_option_exists() {
        for (path, uses) in USES {
            let mut found = &command();
            for name in *path {
                found = found.find_subcommand(name).unwrap();
            }
            for option in *uses {
                let exists = found.get_arguments().any(|arg| arg.get_id() == option);
                assert!(exists, "{path:?} {option}");
            }
        }
    }
}
