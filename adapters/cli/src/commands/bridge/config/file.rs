//! Reads the configuration file: its values with their places.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::given::{Given, Raw};
use super::problem::Problems;
use super::source::Source;
use crate::failure::Failure;
use crate::input;

/// The file that is read if it is there, and none is named.
pub(super) const DEFAULT_FILE: &str = "bridge.toml";

/// The maximum size of the file, in bytes.
const MAX_FILE: usize = 1024 * 1024;

/// A configuration file.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    /// The file of `--config`, or `bridge.toml` here, if there is one.
    pub(super) fn read(named: Option<&Path>) -> Result<Option<Self>, Failure> {
        let path = match named {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT_FILE).exists() => DEFAULT_FILE.into(),
            None => return Ok(None),
        };
        let flag = if named.is_some() { "--config" } else { "" };
        let bytes = input::read(&path, flag, MAX_FILE)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::usage(format!("{}: it is not UTF-8 text", path.display())))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Some(Self { path, text }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative names in it start from.
    pub(super) fn folder(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).to_owned()
    }

    /// All values in it.
    pub(super) fn values(&self, problems: &mut Problems) -> Vec<Given> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        for error in &errors {
            let source = self.source(error.span().map_or(0, |span| span.start));
            problems.error("", Some(&source), error.message());
        }
        let mut given = Vec::new();
        if errors.is_empty() {
            self.table(table.get_ref(), "", problems, &mut given);
        }
        given
    }

    fn table(
        &self,
        table: &DeTable<'_>,
        above: &str,
        problems: &mut Problems,
        given: &mut Vec<Given>,
    ) {
        for (name, value) in table.iter() {
            let source = self.source(name.span().start);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let level = name.get_ref();
            if level.is_empty() || !level.chars().all(is_plain) {
                let reason = format!("{level:?} is no name of a setting");
                problems.error(above, Some(&source), reason);
                continue;
            }
            let path =
                if above.is_empty() { level.to_string() } else { format!("{above}.{level}") };
            let raw = match value.get_ref() {
                DeValue::Table(table) => {
                    given.push(Given { path: path.clone(), raw: Raw::Table, source });
                    self.table(table, &path, problems, given);
                    continue;
                }
                DeValue::Array(array) => list(array),
                other => single(other),
            };
            given.push(Given { path, raw, source });
        }
    }

    fn source(&self, at: usize) -> Source {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Source::File { name: self.path.display().to_string(), line }
    }
}

fn list(array: &DeArray<'_>) -> Raw {
    let texts = array.iter().map(Spanned::get_ref).map(|one| match one {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    });
    texts
        .collect::<Option<_>>()
        .map_or(Raw::Other("an array with something that is no text"), Raw::List)
}

fn single(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(yes) => Raw::Yes(*yes),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a very large number"), Raw::Number),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date or a time of day"),
        DeValue::Array(_) | DeValue::Table(_) => Raw::Other("a table"),
    }
}
