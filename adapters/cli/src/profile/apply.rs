//! Puts the settings of a profile into the arguments.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Profile;
use crate::args::{Args, Command, Endpoint, User, Webhook};
use crate::failure::Failure;
use crate::values::listen_address;

/// Puts the settings of the chosen profile into the arguments. An option that is given stays; the variables do
/// not count, but for `LP_CLIENT_SECRET` where the profile has no secret.
pub(crate) fn apply(args: &mut Args, matches: &ArgMatches) -> Result<(), Failure> {
    let Some(name) = args.global.profile.clone() else { return Ok(()) };
    let is_given = |id: &str| source(matches, id) == Some(ValueSource::CommandLine);
    match &args.command {
        Command::Bridge(_) if is_given("profile") => {
            let reason =
                "--profile is not for the bridge, which has a configuration file of its own";
            return Err(Failure::usage(reason));
        }
        command if !uses_profile(command) => return Ok(()),
        _ => {}
    }
    let profile = Profile::find(&name)?;
    let global = &mut args.global;
    if !is_given("account") {
        global.account = profile.account;
    }
    if !is_given("client_id") {
        global.client_id = profile.client_id;
    }
    if !is_given("domain_api") {
        global.domain_api = profile.domain_api.unwrap_or_else(|| REAL.to_owned());
    }
    if !is_given("ca_file") {
        global.ca_file = profile.ca_file;
    }
    global.trust_suffix.extend(profile.trust_suffix);
    global.secret = profile.secret;
    if let Some(listen) = profile.webhook_listen {
        if let Some(endpoint) = endpoint(&mut args.command)
            && !is_given("listen")
        {
            endpoint.listen = listen_address(&listen)
                .map_err(|reason| Failure::usage(format!("webhook_listen: {reason}")))?;
        }
        args.global.webhook_listen = Some(listen);
    }
    if let Command::Apps { user: User { user, password_file, password }, .. } = &mut args.command {
        if !is_given("user") {
            *user = profile.user;
        }
        if password_file.is_none() {
            (*password_file, *password) = (profile.password_file, profile.password);
        }
    }
    Ok(())
}

/// The address of the Domain API without a setting.
const REAL: &str = "https://api.liveperson.net";

/// Where an argument's value comes from.
fn source(mut matches: &ArgMatches, id: &str) -> Option<ValueSource> {
    let mut found = None;
    loop {
        if matches!(matches.try_contains_id(id), Ok(true)) {
            found = matches.value_source(id).or(found);
        }
        match matches.subcommand() {
            Some((_, below)) => matches = below,
            None => return found,
        }
    }
}

/// The webhook endpoint of a command that has one.
fn endpoint(command: &mut Command) -> Option<&mut Endpoint> {
    match command {
        Command::Chat { endpoint, .. } | Command::Webhook(Webhook::Listen { endpoint, .. }) => {
            Some(endpoint)
        }
        _ => None,
    }
}

/// Whether a command uses an account at all.
fn uses_profile(command: &Command) -> bool {
    match command {
        Command::Demo { .. }
        | Command::Bridge(_)
        | Command::Manifest(_)
        | Command::Profile(_)
        | Command::Schema
        | Command::Man { .. }
        | Command::Completions { .. }
        | Command::Webhook(Webhook::Decode { .. }) => false,
        Command::Sandbox { command, .. } => command.is_some(),
        _ => true,
    }
}
