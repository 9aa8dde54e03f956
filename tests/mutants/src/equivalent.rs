//! The mutants that no test can catch, each with its reason: `tests/mutants-equivalent.toml`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::listed::Mutant;

/// The file, the line as it is written, and the change without its place: that moves.
type Key = (PathBuf, String, String);

#[derive(Debug)]
pub(crate) struct Equivalent {
    listed: Vec<Key>,
    sources: HashMap<PathBuf, Vec<String>>,
}

impl Equivalent {
    /// # Errors
    /// A sentence if the list or a source cannot be read.
    pub(crate) fn read(root: &Path, mutants: &[Mutant]) -> Result<Self, String> {
        let path = root.join("tests/mutants-equivalent.toml");
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| failed(&error))?;
        let table = DeTable::parse(&text).map_err(|error| failed(&error))?;
        let entries = table.get_ref().get("mutant").map(toml::Spanned::get_ref);
        let Some(DeValue::Array(entries)) = entries else {
            return Err(failed(&"it has no list of mutants"));
        };
        let mut listed = Vec::new();
        for entry in entries.iter() {
            let of = |key: &str| {
                let value = entry.get_ref().get(key).map(toml::Spanned::get_ref);
                value
                    .and_then(DeValue::as_str)
                    .map(ToOwned::to_owned)
                    .ok_or_else(|| failed(&format!("one has no {key}")))
            };
            listed.push((PathBuf::from(of("file")?), of("line")?, of("change")?));
        }
        let mut sources = HashMap::new();
        for mutant in mutants {
            if !sources.contains_key(&mutant.file) {
                let text =
                    fs::read_to_string(root.join(&mutant.file)).map_err(|error| failed(&error))?;
                sources.insert(
                    mutant.file.clone(),
                    text.lines().map(|line| line.trim().to_owned()).collect(),
                );
            }
        }
        Ok(Self { listed, sources })
    }

    /// Whether the list names it.
    pub(crate) fn names(&self, mutant: &Mutant) -> bool {
        let lines = self.sources.get(&mutant.file);
        let Some(line) = lines.and_then(|lines| lines.get(mutant.span.start.line.wrapping_sub(1)))
        else {
            return false;
        };
        let change = mutant.change();
        self.listed
            .iter()
            .any(|(file, text, named)| *file == mutant.file && text == line && named == change)
    }
}
