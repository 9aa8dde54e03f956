//! The mutants: cargo-mutants says which there are.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A place in a source, as cargo-mutants counts: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

/// One change, which is made in one place of the sources.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) genre: Genre,
    pub(crate) replacement: String,
    pub(crate) span: Span,
    /// The function that it is in: of a constant there is none.
    pub(crate) function: Option<Function>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Function {
    pub(crate) return_type: String,
}

impl Mutant {
    /// What is changed, without the place.
    pub(crate) fn change(&self) -> &str {
        self.name.splitn(4, ':').nth(3).map_or("", str::trim_start)
    }
}

/// All mutants of a package, in the order in which cargo-mutants names them.
///
/// # Errors
/// A sentence if cargo-mutants is not there, or says something else.
pub(crate) fn list(root: &Path, package: &str) -> Result<Vec<Mutant>, String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--list", "--json", "--package", package]);
    let output = command.output().map_err(|error| format!("cargo mutants: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo mutants --list ended with {}: {said}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo mutants --list: {error}"))
}
