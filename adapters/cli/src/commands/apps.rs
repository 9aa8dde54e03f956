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
            let new = (read_manifest(file)?, SecretTarget::open(secret_to.as_deref())?);
            if matches!(new.1, SecretTarget::Stdout) {
                output.check_open()?;
            }
            Some(new)
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
    let text = input::read_or_stdin(file, "FILE", input::MAX_MANIFEST)?;
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

/// The password, from the file, the variable or a prompt. Never from the command line.
fn password(user: &User) -> Result<Secret, Failure> {
    if let Some(file) = &user.password_file {
        return input::secret_in(file, "--password-file", SecretKind::Password);
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
    let secret = record.and_then(|record| record.get("client_secret")).and_then(Value::as_str);
    let secret = secret.filter(|secret| !secret.is_empty());
    let id = install.as_ref().and_then(AppInstall::id);
    let mut event = json!({"event": "created", "id": id});
    let mut line = format!("created {}", id.unwrap_or("an app without an id"));
    let Some(secret) = secret else {
        output.keep(&event, line);
        let list = "`lp-connector apps list` shows the app";
        return Err(Failure::Local(format!(
            "the app is installed, but the answer has no secret: delete it and install it again; {list}"
        )));
    };
    let written = match target {
        SecretTarget::Stdout => {
            if let Some(members) = event.as_object_mut() {
                members.insert("client_secret".to_owned(), secret.into());
            }
            line.push_str(&format!("\nsecret {secret}"));
            Ok(())
        }
        SecretTarget::File(mut file) => file.write(secret),
    };
    output.keep(&event, line);
    written.map_err(|reason| {
        // It is shown only once: better here than nowhere.
        output.log(&format!("the secret that could not be written: {secret}"));
        Failure::Local(reason)
    })
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
