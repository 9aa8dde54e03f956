//! Profiles: named settings in a configuration file, without secrets.
//!
//! ```toml
//! [profile.staging]
//! account = "91827364"
//! client_id = "5f0c2a7e-0d3c-4c59-9f6e-7d1b2f3a4c5d"
//! secret_command = ["pass", "show", "lp/staging"]   # or secret_file; neither: LP_CLIENT_SECRET
//! ```
//!
//! The profile `sandbox` is the running sandbox, unless the file has one of this name.

mod apply;
mod file;

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lp_connector_core::secret::Secret;
use zeroize::Zeroizing;

use crate::commands::sandbox::NO_SANDBOX;
use crate::commands::sandbox::home;
use crate::commands::sandbox::settings::Settings;
use crate::failure::Failure;
use crate::input::{self, SecretKind};
pub(crate) use apply::apply;
pub(crate) use file::Profiles;

/// The profile of the running sandbox.
pub(crate) const SANDBOX: &str = "sandbox";

/// Named settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) account: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) domain_api: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) trust_suffix: Vec<String>,
    pub(crate) webhook_listen: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) secret: Option<SecretSource>,
    /// The password of the running sandbox's user.
    pub(crate) password: Option<Secret>,
}

/// Where the app install's secret is.
#[derive(Clone)]
pub(crate) enum SecretSource {
    File(PathBuf),
    /// What a command prints.
    Command(Vec<String>),
    /// That of the running sandbox.
    Sandbox(Secret),
}

impl SecretSource {
    /// The secret.
    pub(crate) fn read(&self) -> Result<Secret, Failure> {
        match self {
            Self::File(file) => input::secret_in(file, "secret_file", SecretKind::App),
            Self::Command(command) => of_command(command),
            Self::Sandbox(secret) => Ok(secret.clone()),
        }
    }

    /// One word for programs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Sandbox(_) => "sandbox",
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "in the file {}", file.display()),
            Self::Command(command) => write!(f, "printed by: {}", command.join(" ")),
            Self::Sandbox(_) => f.write_str("known by the sandbox"),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The secret that a command prints. It may ask for a password on the terminal.
fn of_command(command: &[String]) -> Result<Secret, Failure> {
    let place = format!("secret_command ({})", command.join(" "));
    let failed = |reason: &dyn fmt::Display| Failure::Local(format!("{place}: {reason}"));
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::usage("secret_command is empty"));
    };
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdout(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
    let mut printed = Zeroizing::new(Vec::new());
    let read = child
        .stdout
        .take()
        .map(|stdout| stdout.take(input::MAX_SECRET as u64 + 1).read_to_end(&mut printed));
    let status = child.wait().map_err(|error| failed(&error))?;
    if let Some(Err(error)) = read {
        return Err(failed(&error));
    }
    if !status.success() {
        return Err(failed(&status));
    }
    let text = std::str::from_utf8(&printed)
        .map_err(|_| Failure::usage(format!("{place} does not print UTF-8 text")))?;
    input::secret(text, &place, SecretKind::App)
}

impl Profile {
    /// The profile of the running sandbox, if one runs.
    pub(crate) fn of_sandbox() -> Option<Self> {
        let settings = home::running(&home::default_folder()?)?;
        let secret = settings.client_secret().ok().map(SecretSource::Sandbox);
        let Settings { domain_api, account, client_id, user, password, .. } = settings;
        Some(Self {
            account: Some(account),
            client_id: Some(client_id),
            domain_api: Some(domain_api),
            ca_file: settings.ca_file,
            webhook_listen: settings.webhook_listen,
            user: Some(user),
            password: Some(Secret::new(password)),
            secret,
            ..Self::default()
        })
    }

    /// The profile of a name.
    pub(crate) fn find(name: &str) -> Result<Self, Failure> {
        let profiles = Profiles::read()?;
        if let Some(profile) = profiles.get(name) {
            return Ok(profile.clone());
        }
        if name == SANDBOX {
            return Self::of_sandbox().ok_or_else(|| Failure::Local(NO_SANDBOX.to_owned()));
        }
        Err(profiles.unknown(name))
    }
}
