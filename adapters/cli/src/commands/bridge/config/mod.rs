//! The configuration of the bridge: options over variables over the file over defaults.
//!
//! Everything is read before anything is judged, so that all errors are told at once.

mod assemble;
mod environment;
mod file;
mod flags;
mod given;
mod keys;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod problem;
mod read;
mod require;
mod secrets;
mod show;
mod source;
mod store;
mod values;

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lp_connector_bridge::store::Store;
use lp_connector_core::secret::Secret;
use lp_connector_gateway::server::ServerConfig;

use self::file::ConfigFile;
use self::keys::{Kind, SecretForm};
use self::problem::Problems;
use self::source::Source;
use self::values::{Setting, Values};
use super::args::Options;
use super::log::{self, Consumers, Log, LogFormat};
use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) use self::require::is_plain_elsewhere;
pub(crate) use self::show::check;

/// The gateway that `--deliver` makes where none is configured, and what is made up for it.
const GATEWAY: &str = "default";
const TOKENS: &str = "gateway.default.tokens";
const SECRETS: &str = "gateway.default.deliver.secrets";

/// A configuration that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    values: Values,
    problems: Problems,
    /// The file, if there is one.
    file: Option<PathBuf>,
    server: Option<ServerConfig>,
}

/// The secrets that this run made up.
#[derive(Debug, Default)]
pub(crate) struct MadeUp {
    pub(crate) token: Option<Secret>,
    /// What signs deliveries.
    pub(crate) signing: Option<Secret>,
    pub(crate) operations: Option<Secret>,
}

impl MadeUp {
    /// New ones.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            token: Some(new_secret(SecretForm::Token)?),
            signing: Some(new_secret(SecretForm::Signing)?),
            operations: Some(new_secret(SecretForm::Token)?),
        })
    }
}

/// How the log is written.
#[derive(Debug)]
pub(crate) struct LogSettings {
    pub(crate) level: tracing::Level,
    format: LogFormat,
    consumers: Consumers,
}

impl LogSettings {
    pub(crate) fn start(self) -> Log {
        Log::start(self.level, self.format, self.consumers)
    }
}

impl Loaded {
    /// Reads all layers.
    ///
    /// # Errors
    /// A failure if the file cannot be read. All else is kept as a problem.
    pub(crate) fn read(options: &Options, global: &Global) -> Result<Self, Failure> {
        Self::read_after(None, options, global)
    }

    /// Reads all layers a second time. What was made up stays as it is.
    ///
    /// # Errors
    /// A failure if something is wrong.
    pub(crate) fn again(&self, options: &Options, global: &Global) -> Result<Self, Failure> {
        let again = Self::read_after(Some(self), options, global)?;
        again.errors().map(|()| again)
    }

    fn read_after(
        last: Option<&Self>,
        options: &Options,
        global: &Global,
    ) -> Result<Self, Failure> {
        let mut problems = Problems::default();
        let file = ConfigFile::read(options.config.as_deref())?;
        let mut given = file.as_ref().map_or(Vec::new(), |file| file.values(&mut problems));
        let file_is_broken = !problems.errors.is_empty() && given.is_empty();
        let names = given::names(&given, &["gateway", "brand"]);
        given.extend(environment::values(std::env::vars_os(), &names, &mut problems));
        let is_made = flags::add(options, global, &mut given, &mut problems);
        let folder = file.as_ref().map(ConfigFile::folder).unwrap_or_default();
        let mut values = Values::of(given, &folder, &mut problems);
        let last = last.map(|last| &last.values);
        if is_made {
            make_up(TOKENS, SecretForm::Token, last, &mut values)?;
            make_up(SECRETS, SecretForm::Signing, last, &mut values)?;
        }
        if file.is_none() {
            make_up("operations_tokens", SecretForm::Token, last, &mut values)?;
        }
        let file = file.map(|file| file.path().to_owned());
        // Of a file that cannot be read, what is missing is not known.
        if !file_is_broken {
            require::check(&values, &mut problems);
        }
        // It finds the first error alone: those above are told first.
        let server = match problems.errors.is_empty() {
            true => assemble::server(&values, &mut problems),
            false => None,
        };
        Ok(Self { values, problems, file, server })
    }

    /// Tells the warnings, and fails with all errors.
    pub(crate) fn judge(&self, output: &Output) -> Result<(), Failure> {
        for warning in &self.problems.warnings {
            output.remark(&format!("warning: {warning}"));
        }
        self.errors()
    }

    /// The failure that names all errors.
    fn errors(&self) -> Result<(), Failure> {
        match self.problems.errors.as_slice() {
            [] => Ok(()),
            [one] => Err(Failure::usage(one.to_string())),
            several => {
                let lines: Vec<_> = several.iter().map(|one| format!("\n  {one}")).collect();
                let number = several.len();
                Err(Failure::usage(format!(
                    "the configuration has {number} errors:{}",
                    lines.concat()
                )))
            }
        }
    }

    /// The server's settings.
    pub(crate) fn server(&self) -> Result<ServerConfig, Failure> {
        self.server.clone().ok_or_else(|| Failure::usage("the configuration cannot be used"))
    }

    /// Where a setting comes from, and what it counts more than.
    pub(crate) fn origin(&self, path: &str) -> String {
        match self.values.find(path) {
            None | Some(Setting { source: Source::Default, .. }) => "the default".to_owned(),
            Some(Setting { source, over: None, .. }) => source.to_string(),
            Some(Setting { source, over: Some(over), .. }) => {
                format!("{source}, which counts more than {over}")
            }
        }
    }

    /// Where the store is. Fails with what is wrong with the store's settings, or with the file; what else is wrong or
    /// missing is no matter here.
    pub(crate) fn store_place(&self) -> Result<String, Failure> {
        let is_of_store = |path: &str| path.starts_with("store") || path.starts_with("accept_loss");
        let mut errors = self.problems.errors.iter();
        if let Some(first) = errors.find(|one| one.setting.is_empty() || is_of_store(&one.setting))
        {
            return Err(Failure::usage(first.to_string()));
        }
        let address = self.values.store().ok_or_else(|| Failure::usage("the store is missing"))?;
        Ok(address.to_string())
    }

    /// Opens the store: sealed, if there is a key.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        open::store(&self.values)
    }

    /// Brings the tables of the store up to date. From which version to which, if the store has numbers for them.
    pub(crate) fn migrate(&self) -> Result<Option<(u32, u32)>, Failure> {
        open::migrate(&self.values)
    }

    /// How the log is written.
    pub(crate) fn log(&self) -> LogSettings {
        let word = |path: &str| self.values.text(path).unwrap_or_default();
        let account = match self.values.brands().next() {
            Some(name) => format!("brand.{name}"),
            None => "liveperson".to_owned(),
        };
        let secret = self.values.secrets(&format!("{account}.client_secret")).first();
        let consumers = match (word("log.consumers"), secret) {
            ("plain", _) => Consumers::Plain,
            ("hashed", Some(secret)) => Consumers::hashed(secret),
            _ => Consumers::None,
        };
        let format = match word("log.format") {
            "text" => LogFormat::Text,
            _ => LogFormat::Json,
        };
        LogSettings { level: log::level(word("log.level")), format, consumers }
    }

    /// The secrets that this run made up, and nothing knows.
    pub(crate) fn made_up(&self) -> MadeUp {
        let made = |path: &str| {
            let is_made = self.values.find(path).is_some_and(|one| one.source == Source::Generated);
            self.values.secrets(path).first().filter(|_| is_made).cloned()
        };
        MadeUp {
            token: made(TOKENS),
            signing: made(SECRETS),
            operations: made("operations_tokens"),
        }
    }
}

/// Sets a secret that is not set: to that of the last reading, or to a new one.
fn make_up(
    path: &str,
    form: SecretForm,
    last: Option<&Values>,
    values: &mut Values,
) -> Result<(), Failure> {
    if values.find(path).is_some() {
        return Ok(());
    }
    let secret = match last.and_then(|last| last.secrets(path).first()) {
        Some(secret) => secret.clone(),
        None => new_secret(form)?,
    };
    values.generate(path, Kind::Secrets(form), secret);
    Ok(())
}

fn new_secret(form: SecretForm) -> Result<Secret, Failure> {
    let random: [u8; 32] = lp_connector_tls::random()?;
    Ok(Secret::new(match form {
        SecretForm::Signing => format!("whsec_{}", STANDARD.encode(random)),
        _ => format!("lpb_{}", URL_SAFE_NO_PAD.encode(random)),
    }))
}
