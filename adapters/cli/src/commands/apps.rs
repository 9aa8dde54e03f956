//! App installs: list, show, create, enable, disable and delete.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use lp_connector_core::api::{
    AppInstall, CreateInstall, DeleteInstall, ListInstalls, Login, ReadInstall, UpdateInstall,
    UserSession,
};
use lp_connector_core::manifest::{self, Severity};
use lp_connector_core::secret::Secret;
use serde_json::{Value, json};

use crate::args::{Apps, User};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::Output;
use crate::setup;

pub(crate) fn run(
    client: &Client,
    user: &User,
    command: Apps,
    output: &Output,
) -> Result<(), Failure> {
    // The manifest is checked before anything is sent.
    let manifest = match &command {
        Apps::Create { file, .. } => Some(read_manifest(file)?),
        _ => None,
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
        Apps::Create { secret_to, .. } => {
            create(client, session, manifest.unwrap_or_default(), secret_to.as_deref(), output)
        }
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
    let text = setup::read_or_stdin(file, "FILE")?;
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
        return setup::secret_in(file, "--password-file");
    }
    if let Ok(password) = std::env::var("LP_PASSWORD") {
        return Ok(Secret::new(password));
    }
    if std::io::stdin().is_terminal() {
        let typed = rpassword::prompt_password("Password: ");
        let typed =
            typed.map_err(|error| Failure::Local(format!("cannot read the password: {error}")))?;
        return Ok(Secret::new(typed));
    }
    Err(Failure::usage("the password is missing: set LP_PASSWORD or --password-file"))
}

fn create(
    client: &Client,
    session: UserSession,
    manifest: Value,
    secret_to: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let created = client.call(CreateInstall::new(session, manifest))?.output;
    let Some(install) = created else {
        output.done(&json!({"event": "created"}), "created; `apps list` shows it");
        return Ok(());
    };
    let secret = install.record.get("client_secret").and_then(Value::as_str);
    match (secret_to, secret) {
        (Some(file), Some(secret)) => {
            write_secret(file, secret).map_err(|error| {
                Failure::Local(format!("cannot write {}: {error}", file.display()))
            })?;
            output.note(&format!("the secret is in {}", file.display()));
        }
        (None, Some(_)) => output.note("the secret was not saved: use --secret-to FILE"),
        (_, None) => {}
    }
    let id = install.id().unwrap_or("?").to_owned();
    output.done(&json!({"event": "created", "id": id}), format!("created {id}"));
    Ok(())
}

/// Writes a file that only its owner can read.
fn write_secret(file: &Path, secret: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(secret.as_bytes())
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
