//! The speed of the soak: the program `lp-connector-simulation`, which is built beside this one.

use std::process::Command;

use crate::BenchError;
use crate::report::SimulationRun;

/// Runs it on one core. `None` if it is not built.
pub(crate) fn measure(quick: bool) -> Result<Option<SimulationRun>, BenchError> {
    let program = std::env::current_exe()?.with_file_name("lp-connector-simulation");
    if !program.exists() {
        eprintln!("skipped: cargo build --release -p lp-connector-simulation builds it");
        return Ok(None);
    }
    let seeds: u64 = if quick { 200 } else { 10_000 };
    let output =
        Command::new(program).args(["--threads", "1", "--seeds", &seeds.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let rate = rate(&text).filter(|_| output.status.success());
    let calls_per_second_and_core =
        rate.ok_or_else(|| format!("the simulation failed:\n{text}"))?;
    Ok(Some(SimulationRun { seeds, calls_per_second_and_core }))
}

/// The number before "calls a second and thread".
fn rate(text: &str) -> Option<f64> {
    let (before, _) = text.split_once(" calls a second and thread")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rate_is_read_from_the_last_line() {
        let text = "7 seeds\n1 calls, 2 requests\nin 1.5 s on 1 threads: 20123 calls a second and thread\n";
        assert_eq!(super::rate(text), Some(20123.0));
        assert_eq!(super::rate("seed 7 breaks"), None);
    }
}
