//! The speed of the soak: the program `lp-connector-simulation`, which is built beside this one.

use std::path::PathBuf;
use std::process::Command;

use crate::report::{Profile, SimulationRun};
use crate::{BenchError, valgrind};

/// `None` if it is not built.
fn program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.with_file_name("lp-connector-simulation");
    program.exists().then_some(program)
}

/// Runs it on one core.
pub(crate) fn measure(quick: bool) -> Result<Option<SimulationRun>, BenchError> {
    let Some(program) = program() else {
        eprintln!("skipped: cargo build --release -p lp-connector-simulation builds it");
        return Ok(None);
    };
    let seeds: u64 = if quick { 200 } else { 10_000 };
    let output =
        Command::new(program).args(["--threads", "1", "--seeds", &seeds.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let rate = number_before(&text, " calls a second and thread");
    let rate = rate.filter(|_| output.status.success());
    let calls_per_second_and_core =
        rate.ok_or_else(|| format!("the simulation failed:\n{text}"))?;
    Ok(Some(SimulationRun { seeds, calls_per_second_and_core }))
}

/// Where the instructions of a simulated call go, with all that happens around it.
pub(crate) fn profile() -> Option<Profile> {
    let program = program()?;
    let command = [program.to_str()?, "--threads", "1", "--seeds", "40"];
    valgrind::profile_program("a simulated call", &command, |text| number_before(text, " calls, "))
}

/// The number before these words.
fn number_before(text: &str, words: &str) -> Option<f64> {
    let (before, _) = text.split_once(words)?;
    before.rsplit([' ', '\n']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn numbers_are_read_before_their_words() {
        let text = "7 seeds\n16 calls, 2 requests\nin 1.5 s on 1 threads: 20123 calls a second and thread\n";
        assert_eq!(number_before(text, " calls a second and thread"), Some(20123.0));
        assert_eq!(number_before(text, " calls, "), Some(16.0));
        assert_eq!(number_before("seed 7 breaks", " calls, "), None);
    }
}
