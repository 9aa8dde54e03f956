//! What is known of each mutant, kept between runs in `target/mutants`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::listed::Mutant;
use crate::table::Column;

/// What came of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// A test of this group failed, the first of which is named.
    Caught(String),
    /// A group of tests took many times as long as without it.
    OutOfTime(String),
    /// All tests that reach it passed: so many.
    Missed(usize),
    /// No test reaches it.
    Unreached,
    /// The compiler's code for what is wrong with it.
    DoesNotCompile(String),
    /// It can have no switch, and was not compiled alone.
    NotTried,
}

impl Outcome {
    pub(crate) fn is_missed(&self) -> bool {
        matches!(self, Self::Missed(_) | Self::Unreached)
    }

    pub(crate) fn column(&self, is_equivalent: bool) -> Column {
        match self {
            Self::Caught(_) => Column::Caught,
            Self::OutOfTime(_) => Column::OutOfTime,
            _ if is_equivalent => Column::Equivalent,
            Self::Missed(_) | Self::Unreached => Column::Missed,
            Self::DoesNotCompile(_) => Column::DoesNotCompile,
            Self::NotTried => Column::NotTried,
        }
    }
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    name: String,
    /// The source line, as it was: another text in this place is another mutant.
    text: String,
    outcome: Outcome,
}

/// What was found of a part's mutants, by number.
#[derive(Debug)]
pub(crate) struct Found {
    path: PathBuf,
    texts: Vec<String>,
    pub(crate) outcomes: Vec<Option<Outcome>>,
}

impl Found {
    /// What an earlier run found, of what is as it was.
    ///
    /// # Errors
    /// A sentence if a source cannot be read.
    pub(crate) fn read(root: &Path, part: &str, mutants: &[Mutant]) -> Result<Self, String> {
        let path = root.join("target/mutants").join(format!("{part}.jsonl"));
        let mut sources: HashMap<&Path, Vec<String>> = HashMap::new();
        let mut texts = Vec::new();
        for mutant in mutants {
            let lines = match sources.get(mutant.file.as_path()) {
                Some(lines) => lines,
                None => {
                    let text = fs::read_to_string(root.join(&mutant.file))
                        .map_err(|error| format!("{}: {error}", mutant.file.display()))?;
                    let lines = text.lines().map(|line| line.trim().to_owned()).collect();
                    sources.entry(&mutant.file).or_insert(lines)
                }
            };
            texts.push(
                lines.get(mutant.span.start.line.wrapping_sub(1)).cloned().unwrap_or_default(),
            );
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        let mut known: HashMap<(String, String), Outcome> = known
            .lines()
            .filter_map(|line| serde_json::from_str::<Line>(line).ok())
            .map(|line| ((line.name, line.text), line.outcome))
            .collect();
        let pairs = mutants.iter().zip(&texts);
        let outcomes = pairs
            .map(|(mutant, text)| known.remove(&(mutant.name.clone(), text.clone())))
            .collect();
        Ok(Self { path, texts, outcomes })
    }

    /// Writes it down, for another run.
    ///
    /// # Errors
    /// A sentence if it cannot be written.
    pub(crate) fn write(&self, mutants: &[Mutant]) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        let mut lines = String::new();
        for ((mutant, text), outcome) in mutants.iter().zip(&self.texts).zip(&self.outcomes) {
            let Some(outcome) = outcome else { continue };
            let line =
                Line { name: mutant.name.clone(), text: text.clone(), outcome: outcome.clone() };
            lines.push_str(&serde_json::to_string(&line).map_err(|error| failed(&error))?);
            lines.push('\n');
        }
        fs::write(&self.path, lines).map_err(|error| failed(&error))
    }
}
