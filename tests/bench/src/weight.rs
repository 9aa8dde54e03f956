//! What a program that sends one message is built from: measured by `weight.sh`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::BenchError;
use crate::report::Weight;

pub(crate) fn measure(quick: bool, all_builds: bool) -> Result<Vec<Weight>, BenchError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("weight.sh");
    let builds = match (quick, all_builds) {
        (true, _) => "crates",
        (false, true) => "all",
        (false, false) => "targets",
    };
    let output = Command::new("bash").arg(script).arg(builds).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("weight.sh failed".into());
    }
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
