//! Runs what shows each claim about the tests, and writes the page.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lp_connector_evidence::{CLAIMS, Claim, Figures, coverage_table, limits_page, page, run};

const USAGE: &str = "usage: lp-connector-evidence run NAME... | run --all | render | limits | list | coverage REPORT [CRATE...]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["run", "--all"] => run_each(CLAIMS.iter().collect()),
        ["run", names @ ..] if !names.is_empty() => find(names).and_then(run_each),
        ["render"] => render(),
        ["limits"] => limits(),
        ["list"] => {
            for claim in CLAIMS {
                println!("{:14} {}", claim.name, claim.command);
            }
            Ok(())
        }
        ["coverage", report, apart @ ..] => coverage(report, apart),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the page of the limits.
fn limits() -> Result<(), Box<dyn Error>> {
    Ok(fs::write(root().join("tests/LIMITS.md"), limits_page(&root())?)?)
}

/// The table of a report of llvm-cov.
fn coverage(report: &str, apart: &[&str]) -> Result<(), Box<dyn Error>> {
    print!("{}", coverage_table(&fs::read_to_string(report)?, &root().canonicalize()?, apart)?);
    Ok(())
}

fn find(names: &[&str]) -> Result<Vec<&'static Claim>, Box<dyn Error>> {
    let claim = |name: &str| {
        let found = CLAIMS.iter().find(|claim| claim.name == name);
        found.ok_or_else(|| format!("there is no claim {name:?}: see `list`").into())
    };
    names.iter().map(|name| claim(name)).collect()
}

/// Runs these, and keeps each figure at once: a later command may fail.
fn run_each(claims: Vec<&Claim>) -> Result<(), Box<dyn Error>> {
    for claim in claims {
        eprintln!("{}: {}", claim.name, claim.command);
        let figure = run(claim, &root())?;
        eprintln!("{}", figure.printed.join("\n"));
        let mut figures = read()?;
        figures.insert(claim.name.to_owned(), figure);
        let mut text = serde_json::to_string_pretty(&figures)?;
        text.push('\n');
        fs::write(figures_file(), text)?;
    }
    render()
}

fn render() -> Result<(), Box<dyn Error>> {
    Ok(fs::write(root().join("tests/EVIDENCE.md"), page(CLAIMS, &read()?)?)?)
}

fn read() -> Result<Figures, Box<dyn Error>> {
    match fs::read_to_string(figures_file()) {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Figures::new()),
        Err(error) => Err(error.into()),
    }
}

fn figures_file() -> PathBuf {
    root().join("tests/evidence/figures.json")
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
