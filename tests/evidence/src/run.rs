//! Runs a command, and keeps what it prints.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Instant, SystemTime};

use crate::{Claim, Figure};

/// Why there is no figure.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A program could not be started.
    Start(io::Error),
    /// The tree is not that of a commit: this is what `git status` says.
    Changed(String),
    /// The command failed, with this as its output.
    Failed {
        /// Whose command it was.
        name: &'static str,
        /// What it printed.
        output: String,
    },
    /// It printed none of the lines that show the claim.
    Silent {
        /// Whose command it was.
        name: &'static str,
        /// What it printed.
        output: String,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(error) => write!(formatter, "a program did not start: {error}"),
            Self::Changed(status) => {
                write!(formatter, "the tree has changes that are not committed:\n{status}")
            }
            Self::Failed { name, output } => {
                write!(formatter, "{name}: the command failed:\n{output}")
            }
            Self::Silent { name, output } => {
                write!(
                    formatter,
                    "{name}: the command printed no line that shows the claim:\n{output}"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            _ => None,
        }
    }
}

/// Runs the command of a claim in the repository at `root`.
///
/// # Errors
///
/// If the tree is not that of a commit (the claims, the page and its figures may change), if the command fails, or if it prints
/// nothing to keep.
pub fn run(claim: &Claim, root: &Path) -> Result<Figure, Error> {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(root));
    let (_, changed) = git(&[
        "status",
        "--porcelain",
        "--",
        ".",
        ":!tests/EVIDENCE.md",
        ":!tests/evidence/figures.json",
        // A figure has its command with it. What a claim says is tested by nothing but the page's own test.
        ":!tests/evidence/src/claims.rs",
    ])?;
    if !changed.is_empty() {
        return Err(Error::Changed(changed));
    }
    let (_, commit) = git(&["rev-parse", "--short", "HEAD"])?;
    let started = Instant::now();
    // What fails within a pipe fails the whole.
    let (succeeded, output) = output(
        Command::new("bash").args(["-o", "pipefail", "-c", claim.command]).current_dir(root),
    )?;
    if !succeeded {
        return Err(Error::Failed { name: claim.name, output });
    }
    let printed = claim.keeps.of(&output);
    if printed.is_empty() {
        return Err(Error::Silent { name: claim.name, output });
    }
    Ok(Figure {
        command: claim.command.to_owned(),
        commit: commit.trim().to_owned(),
        day: humantime::format_rfc3339_seconds(SystemTime::now())
            .to_string()
            .chars()
            .take(10)
            .collect(),
        seconds: started.elapsed().as_secs(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        printed,
    })
}

/// Whether a program succeeded, and its standard output; errors go where ours go.
fn output(command: &mut Command) -> Result<(bool, String), Error> {
    let Output { status, stdout, .. } =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(Error::Start)?;
    Ok((status.success(), String::from_utf8_lossy(&stdout).into_owned()))
}
