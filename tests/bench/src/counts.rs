//! The committed table of counts, and whether they have grown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::BenchError;
use crate::valgrind::Count;

/// How much more instructions than the table says are not yet more: two compilations differ a little.
const MARGIN: f64 = 1.02;

/// Counts the instructions of each case in the table, prints them beside those of the table, and fails if one has
/// grown. With `write` it puts what it counts into the table.
pub(crate) fn check(write: bool) -> Result<(), BenchError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt");
    let (mut table, mut grown) = (String::new(), Vec::new());
    for line in fs::read_to_string(&path)?.lines() {
        let counts = columns(line).and_then(|(allocations, known, case)| {
            Some((allocations, known.parse::<f64>().ok()?, case))
        });
        let Some((allocations, known, case)) = counts else {
            writeln!(table, "{line}")?;
            continue;
        };
        let counted = Count::of(case).ok_or("valgrind is missing, or cannot run this program")?;
        let counted = counted.instructions.round();
        println!("{counted:8} of {known:8} {case}");
        if counted > known * MARGIN {
            grown.push(case.to_owned());
        }
        writeln!(table, "{allocations:>6} {counted:6} {case}")?;
    }
    if write {
        fs::write(&path, table)?;
    } else if !grown.is_empty() {
        return Err(format!("more instructions than counts.txt says: {}", grown.join("; ")).into());
    }
    Ok(())
}

/// Allocations, instructions, and the case, which has spaces. `None` for a comment.
fn columns(line: &str) -> Option<(&str, &str, &str)> {
    let line = Some(line).filter(|line| !line.starts_with('#'))?;
    let (allocations, rest) = line.trim_start().split_once(' ')?;
    let (instructions, case) = rest.trim_start().split_once(' ')?;
    Some((allocations, instructions, case.trim_start()))
}
