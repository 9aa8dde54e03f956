//! Lists and shows profiles.

use serde_json::{Value, json};

use crate::args::Profiles as Command;
use crate::failure::Failure;
use crate::output::Output;
use crate::profile::{Profile, Profiles, SANDBOX};
use crate::table::Table;

pub(crate) fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::List => list(output),
        Command::Show { name } => {
            show(name, &Profile::find(name)?, output);
            Ok(())
        }
    }
}

/// The domain API that a profile without one has.
const REAL: &str = "https://api.liveperson.net";

fn list(output: &Output) -> Result<(), Failure> {
    let profiles = Profiles::read()?;
    let sandbox = match profiles.get(SANDBOX) {
        Some(_) => None,
        None => Profile::of_sandbox(),
    };
    let mut table = Table::new(&["PROFILE", "ACCOUNT", "CLIENT ID", "DOMAIN API", "SECRET"]);
    let sandbox = sandbox.iter().map(|profile| (SANDBOX, profile));
    let mut none = true;
    for (name, profile) in profiles.iter().chain(sandbox) {
        none = false;
        output.event_alone(&describe(name, profile));
        let text = |value: &Option<String>, without: &str| {
            value.clone().unwrap_or_else(|| without.to_owned())
        };
        table.row([
            name.to_owned(),
            text(&profile.account, "-"),
            text(&profile.client_id, "-"),
            text(&profile.domain_api, REAL),
            secret(profile),
        ]);
    }
    table.print(output);
    if none {
        let place =
            profiles.path().map_or("LP_CONFIG_FILE".to_owned(), |path| path.display().to_string());
        output.remark(&format!("there is no profile in {place}, and no sandbox runs"));
    }
    Ok(())
}

/// Where the secret is. Never the secret.
fn secret(profile: &Profile) -> String {
    match &profile.secret {
        Some(source) => source.to_string(),
        None => "in the variable LP_CLIENT_SECRET".to_owned(),
    }
}

fn describe(name: &str, profile: &Profile) -> Value {
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    json!({"event": "profile", "name": name, "account": profile.account,
        "client_id": profile.client_id,
        "domain_api": profile.domain_api.as_deref().unwrap_or(REAL),
        "secret": profile.secret.as_ref().map_or("variable", |source| source.name()),
        "ca_file": path(&profile.ca_file), "trust_suffix": profile.trust_suffix,
        "webhook_listen": profile.webhook_listen, "user": profile.user,
        "password_file": path(&profile.password_file)})
}

fn show(name: &str, profile: &Profile, output: &Output) {
    let mut lines = vec![format!("profile {name}")];
    let mut line = |title: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("  {title:<15} {value}"));
        }
    };
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    line("account", profile.account.clone());
    line("client id", profile.client_id.clone());
    line("secret", Some(secret(profile)));
    line("domain API", Some(profile.domain_api.clone().unwrap_or_else(|| REAL.to_owned())));
    line("CA file", path(&profile.ca_file));
    line("trusted", Some(profile.trust_suffix.join(", ")).filter(|all| !all.is_empty()));
    line("webhook listen", profile.webhook_listen.clone());
    line("user", profile.user.clone());
    line("password file", path(&profile.password_file));
    output.done(&describe(name, profile), lines.join("\n"));
}
