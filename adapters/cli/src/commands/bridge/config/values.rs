//! The value of every setting, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lp_connector_core::secret::Secret;

use super::given::{Given, Raw};
use super::keys::{self, KEYS, Key, Kind};
use super::problem::Problems;
use super::read::{self, Value};
use super::secrets;
use super::source::Source;
use super::store::StoreAddress;

/// A setting that has a value.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) value: Value,
    pub(super) source: Source,
    /// The source that it counts more than: the highest one below it that says something else.
    pub(super) over: Option<Source>,
}

/// All settings that have a value, in the order in which they are shown.
#[derive(Debug, Default)]
pub(super) struct Values {
    all: Vec<Setting>,
    index: BTreeMap<String, usize>,
    gateways: BTreeSet<String>,
    brands: BTreeSet<String>,
}

impl Values {
    /// The values of these layers: of two for one setting, that of the higher layer. `folder` is that of the file.
    pub(super) fn of(given: Vec<Given>, folder: &Path, problems: &mut Problems) -> Self {
        let given = known(given, problems);
        let mut values = Self::default();
        for one in &given {
            let mut levels = one.path.split('.');
            match (levels.next(), levels.next()) {
                (Some("gateway"), Some(name)) => values.gateways.insert(name.to_owned()),
                (Some("brand"), Some(name)) => values.brands.insert(name.to_owned()),
                _ => false,
            };
        }
        values.refuse_bad_names(&given, problems);
        for key in KEYS {
            for path in values.expand(key) {
                if let Some(setting) = winner(&given, key, &path, folder, problems) {
                    values.put(setting);
                }
            }
        }
        values
    }

    /// Sets what this run made up.
    pub(super) fn generate(&mut self, path: &str, kind: Kind, secret: Secret) {
        let value = Value::Secrets(vec![secret]);
        let (path, source) = (path.to_owned(), Source::Generated);
        self.put(Setting { path, kind, value, source, over: None });
    }

    fn put(&mut self, setting: Setting) {
        self.index.insert(setting.path.clone(), self.all.len());
        self.all.push(setting);
    }

    /// The paths of a setting, for every name.
    fn expand(&self, key: &Key) -> Vec<String> {
        let names = match key.path.split('.').next() {
            Some("gateway") => &self.gateways,
            Some("brand") => &self.brands,
            // Without a brand there is one account, and the other way round.
            Some("liveperson") if !self.brands.is_empty() && key.default.is_some() => {
                return Vec::new();
            }
            _ => return vec![key.path.to_owned()],
        };
        names.iter().map(|name| key.path.replace('*', name)).collect()
    }

    fn refuse_bad_names(&self, given: &[Given], problems: &mut Problems) {
        for (table, names) in [("gateway", &self.gateways), ("brand", &self.brands)] {
            for name in names.iter().filter(|name| !is_name(name)) {
                let path = format!("{table}.{name}");
                let source = given.iter().find(|one| one.path.starts_with(&path));
                problems.error(
                    &path,
                    source.map(|one| &one.source),
                    "a name has 1 to 64 of a-z, 0-9, _ and -, begins with a letter, and has no __",
                );
            }
        }
    }

    pub(super) fn all(&self) -> &[Setting] {
        &self.all
    }

    pub(super) fn gateways(&self) -> impl Iterator<Item = &str> {
        self.gateways.iter().map(String::as_str)
    }

    pub(super) fn brands(&self) -> impl Iterator<Item = &str> {
        self.brands.iter().map(String::as_str)
    }

    pub(super) fn find(&self, path: &str) -> Option<&Setting> {
        self.index.get(path).and_then(|at| self.all.get(*at))
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.find(path).map(|setting| &setting.value)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match self.value(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, path: &str) -> &[String] {
        match self.value(path) {
            Some(Value::Texts(all)) => all,
            _ => &[],
        }
    }

    pub(super) fn file(&self, path: &str) -> Option<&PathBuf> {
        match self.value(path)? {
            Value::File(file) => Some(file),
            _ => None,
        }
    }

    pub(super) fn store(&self) -> Option<&StoreAddress> {
        match self.value("store")? {
            Value::Store(address) => Some(address),
            _ => None,
        }
    }

    pub(super) fn address(&self, path: &str) -> Option<std::net::SocketAddr> {
        match self.value(path)? {
            Value::Address(address) => Some(*address),
            _ => None,
        }
    }

    pub(super) fn yes(&self, path: &str) -> Option<bool> {
        match self.value(path)? {
            Value::Yes(yes) => Some(*yes),
            _ => None,
        }
    }

    pub(super) fn time(&self, path: &str) -> Option<Duration> {
        match self.value(path)? {
            Value::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        match self.value(path)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn secrets(&self, path: &str) -> &[Secret] {
        match self.value(path) {
            Some(Value::Secrets(all)) => all,
            _ => &[],
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(is_plain)
        && !name.contains("__")
}

/// What belongs to a setting. What does not is an error.
fn known(given: Vec<Given>, problems: &mut Problems) -> Vec<Given> {
    let mut tables: Vec<String> = Vec::new();
    let is_known = |one: &Given| {
        // Said of the table that it is in.
        if tables.iter().any(|table| one.path.starts_with(table.as_str())) {
            return false;
        }
        match (keys::is_setting(&one.path), keys::is_table(&one.path), &one.raw) {
            (true, _, Raw::Table) => {
                problems.error(
                    &one.path,
                    Some(&one.source),
                    "a value is wanted, and this is a table",
                );
                tables.push(format!("{}.", one.path));
                false
            }
            (true, _, _) | (false, true, Raw::Table) => true,
            (false, true, _) => {
                problems.error(
                    &one.path,
                    Some(&one.source),
                    "a table is wanted: it has settings below it",
                );
                false
            }
            (false, false, raw) => {
                let meant = keys::meant(&one.path).map(|meant| format!("; did you mean {meant}?"));
                let reason = format!("there is no such setting{}", meant.unwrap_or_default());
                problems.error(&one.path, Some(&one.source), reason);
                if *raw == Raw::Table {
                    tables.push(format!("{}.", one.path));
                }
                false
            }
        }
    };
    let mut kept = given;
    kept.retain(is_known);
    kept
}

/// The value of a setting, from the highest layer that has one.
fn winner(
    given: &[Given],
    key: &Key,
    path: &str,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Setting> {
    if matches!(key.kind, Kind::Secret(_) | Kind::Secrets(_)) {
        return secrets::read(given, key, path, folder, problems);
    }
    let highest = highest(given, path);
    let (raw, source) = match (highest, key.default) {
        (Some(one), _) => (one.raw.clone(), one.source.clone()),
        (None, Some(default)) => {
            let name = path.split('.').nth(1).unwrap_or_default();
            (Raw::Text(default.replace('*', name)), Source::Default)
        }
        (None, None) => return None,
    };
    match read::read(key.kind, &raw, base(&source, folder)) {
        Ok(value) => {
            let over = below(given, path, &source);
            Some(Setting { path: path.to_owned(), kind: key.kind, value, source, over })
        }
        Err(reason) => {
            problems.error(path, Some(&source), reason);
            None
        }
    }
}

/// What the highest layer says of a path.
pub(super) fn highest<'a>(given: &'a [Given], path: &str) -> Option<&'a Given> {
    let at = |one: &&Given| one.path == path;
    given.iter().filter(at).max_by_key(|one| one.source.clone())
}

/// The highest layer below this one that says something else of a path.
fn below(given: &[Given], path: &str, source: &Source) -> Option<Source> {
    let said = |one: &&Given| one.path == path;
    let own = given.iter().filter(said).find(|one| one.source == *source)?;
    let others = given.iter().filter(said).filter(|one| one.source < *source);
    others.filter(|one| one.raw != own.raw).map(|one| one.source.clone()).max()
}

/// Where relative files start: in the file's folder if the file names them, otherwise here.
pub(super) fn base<'a>(source: &Source, folder: &'a Path) -> &'a Path {
    match source {
        Source::File { .. } => folder,
        _ => Path::new(""),
    }
}
