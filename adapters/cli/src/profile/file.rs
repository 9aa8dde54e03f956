//! The configuration file with the profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Profile, SANDBOX, SecretSource};
use crate::failure::Failure;
use crate::input;
use crate::paths;
use crate::usage::meant;

/// The maximum size of the file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

/// The settings of a profile.
const KNOWN: [&str; 10] = [
    "account",
    "client_id",
    "secret_file",
    "secret_command",
    "domain_api",
    "ca_file",
    "trust_suffix",
    "webhook_listen",
    "user",
    "password_file",
];

/// The profiles of the configuration file.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    path: Option<PathBuf>,
    profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file of `LP_CONFIG_FILE`, or `config.toml` in the folder of configuration, if it is there.
    pub(crate) fn read() -> Result<Self, Failure> {
        let named = std::env::var_os("LP_CONFIG_FILE").map(PathBuf::from);
        let path = match &named {
            Some(path) => Some(path.clone()),
            None => paths::configuration().map(|folder| folder.join("config.toml")),
        };
        let Some(path) = path.filter(|path| named.is_some() || path.exists()) else {
            let path = paths::configuration().map(|folder| folder.join("config.toml"));
            return Ok(Self { path, profiles: BTreeMap::new() });
        };
        let flag = if named.is_some() { "the variable LP_CONFIG_FILE" } else { "" };
        let bytes = input::read(&path, flag, MAX_FILE)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::usage(format!("{}: it is not UTF-8 text", path.display())))?;
        let file = File { path: &path, text: text.strip_prefix('\u{feff}').unwrap_or(&text) };
        let profiles = file.profiles()?;
        Ok(Self { path: Some(path), profiles })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The profiles, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Profile)> {
        self.profiles.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// The file that has them, or would have.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// There is no profile of this name: what there is instead.
    pub(super) fn unknown(&self, name: &str) -> Failure {
        let place = match &self.path {
            Some(path) if path.exists() => path.display().to_string(),
            Some(path) => format!("{}, which does not exist", path.display()),
            None => "the configuration file".to_owned(),
        };
        let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        let near = meant(name, names.iter().copied().chain([SANDBOX]));
        let there = match names.as_slice() {
            [] => "no profile is".to_owned(),
            [one] => format!("there is {one}"),
            _ => format!("there are {}", names.join(", ")),
        };
        let sandbox = match Profile::of_sandbox() {
            Some(_) => "that of the sandbox which runs",
            None => "there while a sandbox runs",
        };
        Failure::usage(format!(
            "there is no profile {name:?}{near}: {there} in {place}; the profile {SANDBOX} is {sandbox}"
        ))
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn profiles(&self) -> Result<BTreeMap<String, Profile>, Failure> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if let Some(error) = errors.first() {
            return Err(self.wrong(error.span().map_or(0, |span| span.start), error.message()));
        }
        let mut profiles = BTreeMap::new();
        for (name, value) in table.get_ref() {
            let at = name.span().start;
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("profile", DeValue::Table(all)) => {
                    for (name, value) in all {
                        let at = name.span().start;
                        let DeValue::Table(settings) = value.get_ref() else {
                            return Err(self.wrong(at, "a profile is a table: [profile.NAME]"));
                        };
                        profiles.insert(name.get_ref().to_string(), self.profile(at, settings)?);
                    }
                }
                (other, _) => {
                    let reason = format!("{other:?} is no setting: there is [profile.NAME]");
                    return Err(self.wrong(at, &reason));
                }
            }
        }
        Ok(profiles)
    }

    fn profile(&self, at: usize, settings: &DeTable<'_>) -> Result<Profile, Failure> {
        let mut profile = Profile::default();
        for (name, value) in settings {
            let at = name.span().start;
            let one = || self.text_of(value);
            match name.get_ref().as_ref() {
                "account" => profile.account = Some(one()?),
                "client_id" => profile.client_id = Some(one()?),
                "domain_api" => profile.domain_api = Some(one()?),
                "webhook_listen" => profile.webhook_listen = Some(one()?),
                "user" => profile.user = Some(one()?),
                "ca_file" => profile.ca_file = Some(self.file_of(value)?),
                "password_file" => profile.password_file = Some(self.file_of(value)?),
                "trust_suffix" => profile.trust_suffix = self.list_of(value)?,
                "secret_file" | "secret_command" if profile.secret.is_some() => {
                    return Err(self.wrong(at, "the secret has two places"));
                }
                "secret_file" => profile.secret = Some(SecretSource::File(self.file_of(value)?)),
                "secret_command" => {
                    let command = self.list_of(value)?;
                    if command.is_empty() {
                        return Err(self.wrong(at, "the command is empty"));
                    }
                    profile.secret = Some(SecretSource::Command(command));
                }
                // The value is not shown.
                "secret" | "client_secret" | "password" => {
                    return Err(self.wrong(
                        at,
                        "a secret does not belong into this file: say where it is, with secret_file, \
                         secret_command or password_file",
                    ));
                }
                other => {
                    let reason = format!(
                        "{other:?} is no setting of a profile: there are {}",
                        KNOWN.join(", ")
                    );
                    return Err(self.wrong(at, &reason));
                }
            }
        }
        match profile.account {
            Some(_) => Ok(profile),
            None => Err(self.wrong(at, "the profile has no account")),
        }
    }

    fn text_of(&self, value: &Spanned<DeValue<'_>>) -> Result<String, Failure> {
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
            _ => Err(self.wrong(value.span().start, "expected a text in quotes")),
        }
    }

    /// A file's path: a relative one starts from the folder of the configuration.
    fn file_of(&self, value: &Spanned<DeValue<'_>>) -> Result<PathBuf, Failure> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Ok(folder.join(self.text_of(value)?))
    }

    fn list_of(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Failure> {
        match value.get_ref() {
            DeValue::Array(all) => all.iter().map(|one| self.text_of(one)).collect(),
            _ => Err(self.wrong(value.span().start, "expected a list, such as [\"pass\", \"lp\"]")),
        }
    }

    fn wrong(&self, at: usize, reason: &str) -> Failure {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::usage(format!("{}, line {line}: {reason}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Profile>, String> {
        let file = File { path: Path::new("/c/config.toml"), text };
        file.profiles().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_profile_has_its_settings() {
        let text = "[profile.a]\naccount = \"1\"\nsecret_file = \"key\"\nca_file = \"/ca.pem\"\n\
                    trust_suffix = [\".pigeon.example\"]\n[profile.\"b c\"]\naccount = \"2\"\n\
                    secret_command = [\"pass\", \"lp\"]\n";
        let profiles = read(text).unwrap();
        let a = &profiles["a"];
        assert_eq!(a.account.as_deref(), Some("1"));
        assert_eq!(a.secret.as_ref().unwrap().to_string(), "in the file /c/key");
        assert_eq!(a.ca_file.as_deref(), Some(Path::new("/ca.pem")));
        assert_eq!(profiles["b c"].secret.as_ref().unwrap().to_string(), "printed by: pass lp");
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_no_secret_is_shown() {
        for (text, line, part) in [
            ("[profile.a]\naccount = \"1\"\nclient_secret = \"s3cr3t\"", 3, "does not belong"),
            ("[profile.a]\naccount = \"1\"\npassword = \"s3cr3t\"", 3, "does not belong"),
            ("[profile.a]\naccount = \"1\"\ncolour = \"s3cr3t\"", 3, "\"colour\""),
            ("[profile.a]\nclient_id = \"1\"", 1, "no account"),
            ("[profile.a]\naccount = 7", 2, "a text in quotes"),
            ("[profile.a]\naccount = \"\"", 2, "a text in quotes"),
            ("[profile.a]\naccount = \"1\"\nsecret_command = \"pass\"", 3, "a list"),
            ("[profile.a]\naccount = \"1\"\nsecret_command = []", 3, "empty"),
            ("[profile.a]\naccount=\"1\"\nsecret_command = [\"a\"]\nsecret_file = \"b\"", 4, "two"),
            ("\n[profiles.a]\naccount = \"1\"", 2, "[profile.NAME]"),
            ("profile = 1", 1, "[profile.NAME]"),
            ("[profile]\na = 1", 2, "[profile.NAME]"),
            ("[profile.a]\naccount = \"s3cr3t", 2, ""),
        ] {
            let said = read(text).unwrap_err();
            assert!(
                said.contains(&format!("line {line}:")) && said.contains(part),
                "{text}: {said}"
            );
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }
}
