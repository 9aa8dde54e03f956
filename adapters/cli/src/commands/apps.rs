//! App installs: list, show, create, enable, disable and delete.

use std::io::IsTerminal as _;
use std::path::Path;

use lp_connector_core::api::{
    AppInstall, CreateInstall, DeleteInstall, ListInstalls, Login, ReadInstall, UpdateInstall,
    UserSession,
};
use lp_connector_core::manifest::{self, Severity};
use lp_connector_core::secret::Secret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::args::{Apps, User};
use crate::client::Client;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
use crate::output::Output;
use crate::secret_file::SecretTarget;

pub(crate) fn run(
    client: &Client,
    user: &User,
    command: Apps,
    output: &Output,
) -> Result<(), Failure> {
    // What can fail here is tried before anything is sent.
    let new = match &command {
        Apps::Create { file, secret_to } => {
            Some((read_manifest(file)?, SecretTarget::open(secret_to.as_deref(), output)?))
        }
        Apps::Show { id } | Apps::Enable { id } | Apps::Disable { id } | Apps::Delete { id } => {
            if id.is_empty() || matches!(id.as_str(), "." | "..") {
                return Err(Failure::usage("the app install's id is empty or a relative path"));
            }
            None
        }
        Apps::List { .. } => None,
    };
    let name = user
        .user
        .as_deref()
        .ok_or_else(|| Failure::usage("the user is missing: set LP_USER or --user"))?;
    let session = client.call(Login::new(name, password(user)?))?.output;
    match command {
        Apps::List { all } => {
            for install in client.call(ListInstalls::new(session))?.output {
                if all || install.is_connector() {
                    show(&install, output);
                }
            }
            Ok(())
        }
        Apps::Show { id } => {
            let install = client.call(ReadInstall::new(session, id))?.output;
            show(&install, output);
            if !output.is_json() {
                let text = serde_json::to_string_pretty(&without_secret(&install.record));
                output.say(text.unwrap_or_default());
            }
            Ok(())
        }
        Apps::Create { .. } => match new {
            Some((manifest, target)) => create(client, session, manifest, target, output),
            None => Ok(()),
        },
        Apps::Enable { id } => set_enabled(client, session, id, true, output),
        Apps::Disable { id } => set_enabled(client, session, id, false, output),
        Apps::Delete { id } => {
            let install = client.call(ReadInstall::new(session.clone(), id.as_str()))?.output;
            client.call(DeleteInstall::new(session, install))?;
            output.done(&json!({"event": "deleted", "id": id}), format!("deleted {id}"));
            Ok(())
        }
    }
}

/// Reads a manifest and checks it.
fn read_manifest(file: &Path) -> Result<Value, Failure> {
    let text = input::read_or_stdin(file, "", input::MAX_MANIFEST)?;
    let (manifest, losses) =
        manifest::parse(&text).map_err(|error| Failure::usage(error.to_string()))?;
    let errors: Vec<String> = manifest::check(&manifest)
        .into_iter()
        .filter(|one| one.severity() == Severity::Error)
        // It would be installed otherwise than it is written.
        .chain(losses)
        .map(|one| one.to_string())
        .collect();
    if errors.is_empty() {
        return Ok(manifest);
    }
    Err(Failure::usage(format!("the manifest is invalid:\n  {}", errors.join("\n  "))))
}

/// The password, from the file, the profile, the variable or a prompt. Never from the command line.
fn password(user: &User) -> Result<Secret, Failure> {
    if let Some(file) = &user.password_file {
        return input::secret_in(file, "--password-file", SecretKind::Password);
    }
    if let Some(password) = &user.password {
        return Ok(password.clone());
    }
    if let Some(password) = input::secret_of("LP_PASSWORD", SecretKind::Password)? {
        return Ok(password);
    }
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("Password: ");
        let typed =
            typed.map_err(|error| Failure::Local(format!("cannot read the password: {error}")))?;
        return input::secret(&Zeroizing::new(typed), "the password", SecretKind::Password);
    }
    Err(Failure::usage("the password is missing: set LP_PASSWORD or --password-file"))
}

fn create(
    client: &Client,
    session: UserSession,
    manifest: Value,
    target: SecretTarget,
    output: &Output,
) -> Result<(), Failure> {
    let install = client.call(CreateInstall::new(session, manifest))?.output;
    let record = install.as_ref().map(|install| &install.record);
    let (secret, unreadable) = match record.map(secret_of).unwrap_or_default() {
        NewSecret::Text(secret) => (Some(secret), None),
        NewSecret::Unreadable(raw) => (None, Some(raw)),
        NewSecret::Missing => (None, None),
    };
    let id = install.as_ref().and_then(AppInstall::id);
    let mut event = json!({"event": "created", "id": id});
    let mut line = format!("created {}", id.unwrap_or("an app without an id"));
    let Some(secret) = secret else {
        output.keep(&event, line);
        if let Some(raw) = unreadable {
            // It is shown only once: better as it came than nowhere.
            output.log(&format!("client_secret as it came: {raw}"));
            return Err(Failure::Local(
                "the app is installed, but its secret is not a text: it is on stderr as it came"
                    .to_owned(),
            ));
        }
        let list = "`lp-connector apps list` shows the app";
        return Err(Failure::Local(format!(
            "the app is installed, but the answer has no secret: delete it and install it again; {list}"
        )));
    };
    let written = match target {
        SecretTarget::Stdout => {
            if let Some(members) = event.as_object_mut() {
                members.insert("client_secret".to_owned(), secret.as_str().into());
            }
            line.push_str(&format!("\nsecret {secret}"));
            Ok(())
        }
        SecretTarget::File(mut file) => file.write(&secret),
    };
    output.keep(&event, line);
    written.map_err(|reason| {
        // It is shown only once: better here than nowhere.
        output.log(&format!("the secret that could not be written: {secret}"));
        Failure::Local(reason)
    })
}

/// The secret of a new app.
#[derive(PartialEq, Eq, Debug, Default)]
enum NewSecret {
    /// The answer has none.
    #[default]
    Missing,
    /// A text, or what is written in one way only: `true`, or a whole number.
    Text(String),
    /// Anything else, as JSON.
    Unreadable(String),
}

fn secret_of(record: &Value) -> NewSecret {
    match record.get("client_secret") {
        None | Some(Value::Null) => NewSecret::Missing,
        Some(Value::String(text)) if text.is_empty() => NewSecret::Missing,
        Some(Value::String(text)) => NewSecret::Text(text.clone()),
        Some(Value::Bool(value)) => NewSecret::Text(value.to_string()),
        // The digits of any other number may not be those that came.
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            NewSecret::Text(number.to_string())
        }
        Some(other) => NewSecret::Unreadable(other.to_string()),
    }
}

fn set_enabled(
    client: &Client,
    session: UserSession,
    id: String,
    enabled: bool,
    output: &Output,
) -> Result<(), Failure> {
    let install = client.call(ReadInstall::new(session.clone(), id.as_str()))?.output;
    client.call(UpdateInstall::enabled(session, install, enabled))?;
    let word = if enabled { "enabled" } else { "disabled" };
    output.done(&json!({"event": word, "id": id}), format!("{word} {id}"));
    Ok(())
}

fn show(install: &AppInstall, output: &Output) {
    let (id, name) = (install.id().unwrap_or("?"), install.name().unwrap_or("?"));
    let state = if install.is_enabled() { "enabled" } else { "disabled" };
    output.done(
        &json!({"event": "app", "id": id, "name": name, "scope": install.scope(),
            "enabled": install.is_enabled(), "revision": install.revision,
            "record": without_secret(&install.record)}),
        format!("{id}  {name}  {state}  {}", install.scope().unwrap_or("no scope")),
    );
}

fn without_secret(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(members) = record.as_object_mut() {
        members.remove("client_secret");
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_any_type_is_kept() {
        let text = |text: &str| NewSecret::Text(text.to_owned());
        let raw = |text: &str| NewSecret::Unreadable(text.to_owned());
        for (record, expected) in [
            (json!({"client_secret": "k7"}), text("k7")),
            (json!({"client_secret": " "}), text(" ")),
            (json!({"client_secret": 7}), text("7")),
            (json!({"client_secret": 0}), text("0")),
            (json!({"client_secret": -7}), text("-7")),
            (json!({"client_secret": u64::MAX}), text("18446744073709551615")),
            (json!({"client_secret": true}), text("true")),
            (json!({"client_secret": 1.5}), raw("1.5")),
            (json!({"client_secret": 1e30}), raw("1e+30")),
            (json!({"client_secret": ["k7"]}), raw(r#"["k7"]"#)),
            (json!({"client_secret": {"value": "k7"}}), raw(r#"{"value":"k7"}"#)),
            (json!({"client_secret": []}), raw("[]")),
            (json!({"client_secret": ""}), NewSecret::Missing),
            (json!({"client_secret": null}), NewSecret::Missing),
            (json!({}), NewSecret::Missing),
            (json!([]), NewSecret::Missing),
        ] {
            assert_eq!(secret_of(&record), expected, "{record}");
        }
    }
}
