//! What a client of a sandbox must know, as variables for shells, files and programs.

use std::fmt;
use std::path::PathBuf;

use lp_connector_core::secret::Secret;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input::{self, SecretKind};

/// What a client of a sandbox must know.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) domain_api: String,
    pub(crate) account: String,
    pub(crate) client_id: String,
    pub(crate) secret: SecretPlace,
    pub(crate) user: String,
    pub(crate) password: String,
    /// Where notifications are posted to, if that is one address on this machine.
    pub(crate) webhook_listen: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    /// The base URL of the control API.
    pub(crate) control: Option<String>,
}

/// The app's secret.
#[derive(Clone)]
pub(crate) enum SecretPlace {
    /// A random one, which is shown.
    Random(String),
    /// In a file. It may be real: it stays there.
    File {
        path: PathBuf,
        /// The shell command that prints it; `None` for a pipe, which cannot be read again.
        command: Option<String>,
    },
}

/// How the variables are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// For sh, bash and zsh: eval "$(lp-connector sandbox env)"
    Sh,
    /// For fish: lp-connector sandbox env --format fish | source
    Fish,
    /// For PowerShell
    Powershell,
    /// NAME=VALUE, for docker run --env-file and editors
    Dotenv,
}

/// A variable's value.
enum Shown<'a> {
    Plain(&'a str),
    Quoted(&'a str),
    /// A shell's command prints it.
    Command(&'a str),
}

impl Settings {
    /// The variables that can be shown, in order.
    fn shown(&self) -> Vec<(&'static str, Shown<'_>)> {
        let mut all = vec![
            ("LP_DOMAIN_API", Shown::Plain(&self.domain_api)),
            ("LP_ACCOUNT_ID", Shown::Plain(&self.account)),
            ("LP_CLIENT_ID", Shown::Plain(&self.client_id)),
        ];
        match &self.secret {
            SecretPlace::Random(secret) => all.push(("LP_CLIENT_SECRET", Shown::Quoted(secret))),
            SecretPlace::File { command: Some(command), .. } => {
                all.push(("LP_CLIENT_SECRET", Shown::Command(command)));
            }
            SecretPlace::File { command: None, .. } => {}
        }
        all.push(("LP_USER", Shown::Plain(&self.user)));
        all.push(("LP_PASSWORD", Shown::Quoted(&self.password)));
        if let Some(listen) = &self.webhook_listen {
            all.push(("LP_WEBHOOK_LISTEN", Shown::Plain(listen)));
        }
        if let Some(file) = self.ca_file.as_ref().and_then(|file| file.to_str()) {
            all.push(("LP_CA_FILE", Shown::Quoted(file)));
        }
        all
    }

    /// The variables, a line each.
    pub(crate) fn lines(&self, format: Format) -> String {
        let line = |(name, value): (&'static str, Shown<'_>)| match (format, value) {
            (Format::Sh, Shown::Plain(value)) => format!("export {name}={value}"),
            (Format::Sh, Shown::Quoted(value)) => format!("export {name}={}", quoted(value)),
            (Format::Sh, Shown::Command(command)) => format!("export {name}=\"$({command})\""),
            (Format::Fish, Shown::Plain(value) | Shown::Quoted(value)) => {
                let value = value.replace('\\', r"\\").replace('\'', r"\'");
                format!("set -gx {name} '{value}'")
            }
            (Format::Fish, Shown::Command(command)) => {
                format!("set -gx {name} (sh -c {})", quoted(command))
            }
            (Format::Powershell, Shown::Plain(value) | Shown::Quoted(value)) => {
                format!("$env:{name} = '{}'", value.replace('\'', "''"))
            }
            (Format::Dotenv, Shown::Plain(value) | Shown::Quoted(value)) => {
                format!("{name}={value}")
            }
            (_, Shown::Command(_)) => format!("# {name} is in the file of --secret-file"),
        };
        self.shown().into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The event `ready`.
    pub(crate) fn event(&self) -> Value {
        let secret = match &self.secret {
            SecretPlace::Random(secret) => Some(secret),
            SecretPlace::File { .. } => None,
        };
        json!({"event": "ready", "domain_api": self.domain_api, "account": self.account,
            "client_id": self.client_id, "client_secret": secret,
            "webhook_listen": self.webhook_listen, "user": self.user, "password": self.password,
            "ca_file": self.ca_file.as_ref().map(|file| file.display().to_string()),
            "control": self.control, "console": self.console()})
    }

    /// The address of the console.
    pub(crate) fn console(&self) -> Option<String> {
        self.control.as_ref().map(|control| format!("{control}/console"))
    }

    /// The variables of a program that runs with these settings.
    pub(crate) fn variables(&self) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let mut all: Vec<(&'static str, Secret)> = Vec::new();
        for (name, value) in self.shown() {
            match value {
                Shown::Plain(value) | Shown::Quoted(value) => {
                    all.push((name, Secret::new(value.to_owned())));
                }
                Shown::Command(_) => all.push((name, self.client_secret()?)),
            }
        }
        Ok(all)
    }

    /// The app's secret, from its file if it is in one.
    pub(crate) fn client_secret(&self) -> Result<Secret, Failure> {
        match &self.secret {
            SecretPlace::Random(secret) => Ok(Secret::new(secret.clone())),
            SecretPlace::File { path, .. } => {
                input::secret_in(path, "--secret-file", SecretKind::App)
            }
        }
    }

    /// For the file that other commands read.
    pub(super) fn to_json(&self) -> Value {
        let mut value = self.event();
        if let (SecretPlace::File { path, command }, Some(members)) =
            (&self.secret, value.as_object_mut())
        {
            members.insert("secret_file".to_owned(), json!(path.display().to_string()));
            members.insert("secret_command".to_owned(), json!(command));
        }
        value
    }

    /// From that file. `None` if something is missing.
    pub(super) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let secret = match text("client_secret") {
            Some(secret) => SecretPlace::Random(secret),
            None => SecretPlace::File {
                path: text("secret_file")?.into(),
                command: text("secret_command"),
            },
        };
        Some(Self {
            domain_api: text("domain_api")?,
            account: text("account")?,
            client_id: text("client_id")?,
            secret,
            user: text("user")?,
            password: text("password")?,
            webhook_listen: text("webhook_listen"),
            ca_file: text("ca_file").map(PathBuf::from),
            control: text("control"),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("domain_api", &self.domain_api).finish_non_exhaustive()
    }
}

/// Quotes text for a shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(secret: SecretPlace) -> Settings {
        Settings {
            domain_api: "http://127.0.0.1:1".to_owned(),
            account: "91827364".to_owned(),
            client_id: "c".to_owned(),
            secret,
            user: "admin".to_owned(),
            password: "it's".to_owned(),
            webhook_listen: None,
            ca_file: Some("/tmp/a b/ca.pem".into()),
            control: None,
        }
    }

    #[test]
    fn each_format_quotes_in_its_own_way() {
        let plain = settings(SecretPlace::Random("s".to_owned()));
        for (format, lines) in [
            (Format::Sh, ["export LP_PASSWORD='it'\\''s'", "export LP_CA_FILE='/tmp/a b/ca.pem'"]),
            (
                Format::Fish,
                ["set -gx LP_PASSWORD 'it\\'s'", "set -gx LP_CA_FILE '/tmp/a b/ca.pem'"],
            ),
            (
                Format::Powershell,
                ["$env:LP_PASSWORD = 'it''s'", "$env:LP_CA_FILE = '/tmp/a b/ca.pem'"],
            ),
            (Format::Dotenv, ["LP_PASSWORD=it's", "LP_CA_FILE=/tmp/a b/ca.pem"]),
        ] {
            let shown = plain.lines(format);
            for line in lines {
                assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
            }
        }
    }

    #[test]
    fn a_secret_in_a_file_stays_there() {
        let command = Some("cat '/s'".to_owned());
        let settings = settings(SecretPlace::File { path: "/s".into(), command });
        assert!(settings.lines(Format::Sh).contains("LP_CLIENT_SECRET=\"$(cat '/s')\""));
        assert!(settings.lines(Format::Dotenv).contains("# LP_CLIENT_SECRET is in the file"));
        let read = Settings::from_json(&settings.to_json()).unwrap();
        assert_eq!(read.lines(Format::Sh), settings.lines(Format::Sh));
        assert_eq!(settings.event()["client_secret"], Value::Null);
    }
}
