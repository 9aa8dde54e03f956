//! Tries what can have no switch: cargo-mutants builds each of them alone.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::found::Outcome;
use crate::parts::Part;

#[derive(Debug, Deserialize)]
struct Outcomes {
    outcomes: Vec<Tried>,
}

#[derive(Debug, Deserialize)]
struct Tried {
    scenario: Scenario,
    summary: String,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String },
}

/// Tries these, by name.
///
/// # Errors
/// A sentence if cargo-mutants fails, or does not say what came of them.
pub(crate) fn try_apart(
    root: &Path,
    part: &Part,
    names: &[&str],
    jobs: usize,
) -> Result<Vec<(String, Outcome)>, String> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let output = root.join("target/mutants/apart");
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["mutants", "--colors", "never", "--package", &part.package()]);
    command.arg("--output").arg(&output).args(["--jobs", &jobs.to_string()]);
    for feature in part.features {
        command.args(["--features", feature]);
    }
    for name in names {
        command.args(["--re", &format!("^{}$", escaped(name))]);
    }
    // The constants of time and size are compared with a page by the tests of the evidence.
    command.args(["--test-package", &part.package(), "--test-package", "lp-connector-evidence"]);
    for package in part.also {
        command.args(["--test-package", package]);
    }
    command.args(["--", "--lib", "--tests"]);
    command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = command.status().map_err(|error| format!("cargo mutants: {error}"))?;
    // 2: some are missed; 3: some took too long.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        return Err(format!("cargo mutants ended with {status}"));
    }
    let path = output.join("mutants.out/outcomes.json");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
    let outcomes: Outcomes = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    for tried in outcomes.outcomes {
        let Scenario::Mutant { name } = tried.scenario else { continue };
        let outcome = match tried.summary.as_str() {
            "CaughtMutant" => Outcome::Caught("cargo-mutants".into()),
            "MissedMutant" => Outcome::Missed(0),
            "Timeout" => Outcome::OutOfTime("cargo-mutants".into()),
            "Unviable" => Outcome::DoesNotCompile("cargo-mutants".into()),
            other => return Err(format!("{name}: {other}")),
        };
        found.push((name, outcome));
    }
    Ok(found)
}

/// A regular expression for this text.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, one| {
        if !one.is_alphanumeric() && !one.is_whitespace() && one.is_ascii() {
            escaped.push('\\');
        }
        escaped.push(one);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_is_escaped_for_a_regular_expression() {
        assert_eq!(escaped("a.rs:1:2: replace + with -"), r"a\.rs\:1\:2\: replace \+ with \-");
    }
}
