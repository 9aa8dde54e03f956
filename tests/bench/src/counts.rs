//! The committed table of counts, and whether they have grown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::BenchError;
use crate::cases::{self, Case};
use crate::valgrind::Count;

/// How many more instructions than the table says are not yet more: two compilations differ a little.
const MARGIN: f64 = 1.02;

/// Whether that is more than the table says.
fn has_grown(counted: f64, known: f64) -> bool {
    counted > known * MARGIN
}

/// What the table says from now on. What is not more is no reason for a higher bound: else each new table could allow 2 % more.
fn kept(counted: f64, known: f64) -> f64 {
    if has_grown(counted, known) { counted } else { counted.min(known) }
}

/// Counts the instructions of each case in the table, prints them beside those of the table, and fails if one has
/// grown. With `write` it puts what it counts into the table, where it is less or has grown.
pub(crate) fn check(write: bool) -> Result<(), BenchError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt");
    let all: Vec<Case> = cases::all().into_iter().chain(cases::sending::cases()).collect();
    let (mut table, mut grown) = (String::new(), Vec::new());
    for line in fs::read_to_string(&path)?.lines() {
        let Some(row) = row(line)? else {
            writeln!(table, "{line}")?;
            continue;
        };
        let Row { allocations, instructions: known, case: id } = row;
        let case = all.iter().find(|case| case.id() == id);
        let case = case.ok_or_else(|| format!("counts.txt: there is no case {id}"))?;
        let counted = Count::of(case).ok_or("valgrind is missing, or cannot run this program")?;
        let (counted, known) = (counted.instructions.round(), known as f64);
        println!("{counted:8} of {known:8} {id}");
        if has_grown(counted, known) {
            grown.push(id.to_owned());
        }
        writeln!(table, "{allocations:>6} {:6} {id}", kept(counted, known))?;
    }
    if write {
        fs::write(&path, table)?;
    } else if !grown.is_empty() {
        return Err(format!("more instructions than counts.txt says: {}", grown.join("; ")).into());
    }
    Ok(())
}

/// A line of the table.
struct Row<'a> {
    allocations: u64,
    instructions: u64,
    /// Its name may have spaces.
    case: &'a str,
}

/// `None` for a comment and an empty line.
fn row(line: &str) -> Result<Option<Row<'_>>, BenchError> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    match columns(line) {
        Some(row) => Ok(Some(row)),
        None => Err(format!("counts.txt: not a line of the table: {line}").into()),
    }
}

fn columns(line: &str) -> Option<Row<'_>> {
    let (allocations, rest) = line.trim_start().split_once(' ')?;
    let (instructions, case) = rest.trim_start().split_once(' ')?;
    let case = Some(case.trim_start()).filter(|case| !case.is_empty())?;
    Some(Row {
        allocations: allocations.parse().ok()?,
        instructions: instructions.parse().ok()?,
        case,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::OURS;

    #[test]
    fn the_table_has_every_case_of_ours() {
        let rows = include_str!("../counts.txt").lines().filter_map(|line| row(line).unwrap());
        let known: Vec<&str> = rows.map(|row| row.case).collect();
        let all = cases::all().into_iter().filter(|case| !case.heavy);
        let ours = all.filter(|case| case.name == OURS || case.large);
        let missing: Vec<String> = ours
            .chain(cases::sending::cases())
            .map(|case| case.id())
            .filter(|id| !known.contains(&id.as_str()))
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn a_new_table_keeps_the_lower_count() {
        assert_eq!(
            [990.0, 1019.0, 1021.0].map(|counted| kept(counted, 1000.0)),
            [990.0, 1000.0, 1021.0]
        );
        assert_eq!([1020.0, 1021.0].map(|counted| has_grown(counted, 1000.0)), [false, true]);
    }

    #[test]
    fn a_line_that_is_no_row_is_an_error() {
        assert!(row("# 1 2 three").unwrap().is_none() && row("").unwrap().is_none());
        assert_eq!(row("  12  25195 a case: ours").unwrap().unwrap().case, "a case: ours");
        for line in ["12 25195", "12 25195 ", "x 25195 a case", "12 25.195 a case", " "] {
            assert!(row(line).is_err(), "{line}");
        }
    }
}
