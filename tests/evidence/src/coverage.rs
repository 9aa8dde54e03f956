//! The table of what tests reach, by crate, from the report of llvm-cov.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

/// What is read of the report that llvm-cov exports as JSON.
#[derive(Debug, Deserialize)]
struct Export {
    data: Vec<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    filename: String,
    summary: Summary,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Summary {
    lines: Count,
    regions: Count,
    #[serde(default)]
    branches: Count,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Count {
    count: u64,
    covered: u64,
}

/// A table of the parts of `report` that are reached: a line for each crate, or for each module of the crates whose
/// folders are named in `apart`.
///
/// `root` is the folder of the repository; what lies outside, and files that have nothing but tests, do not count.
///
/// # Errors
///
/// If the report is not that of `llvm-cov export`, or has no file of the repository.
pub fn coverage_table(report: &str, root: &Path, apart: &[&str]) -> Result<String, String> {
    let export: Export = serde_json::from_str(report).map_err(|error| error.to_string())?;
    let mut rows: BTreeMap<String, Summary> = BTreeMap::new();
    for file in export.data.into_iter().flat_map(|data| data.files) {
        let Ok(path) = Path::new(&file.filename).strip_prefix(root) else { continue };
        let Some(row) = row(&path.to_string_lossy(), apart) else { continue };
        let sum = rows.entry(row).or_default();
        for (sum, more) in [
            (&mut sum.lines, file.summary.lines),
            (&mut sum.regions, file.summary.regions),
            (&mut sum.branches, file.summary.branches),
        ] {
            sum.count += more.count;
            sum.covered += more.covered;
        }
    }
    if rows.is_empty() {
        return Err(format!("the report has no file in {}", root.display()));
    }
    let width = rows.keys().map(String::len).max().unwrap_or_default();
    let mut table = format!("{:width$} {:>15} {:>17} {:>15}\n", "", "lines", "regions", "branches");
    for (name, Summary { lines, regions, branches }) in &rows {
        let [lines, regions, branches] = [lines, regions, branches].map(|count| shown(*count));
        // A `String` takes everything.
        let _ = writeln!(table, "{name:width$} {lines:>15} {regions:>17} {branches:>15}");
    }
    Ok(table)
}

/// The row of a file: its crate, or its module in a crate that is shown apart. `None` for files of tests.
fn row(path: &str, apart: &[&str]) -> Option<String> {
    let (krate, file) = path.split_once("/src/")?;
    if file.ends_with("tests.rs") || file.starts_with("bin/") {
        return None;
    }
    if !apart.contains(&krate) {
        return Some(krate.to_owned());
    }
    let module = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    Some(format!("{krate}/{module}"))
}

fn shown(Count { count, covered }: Count) -> String {
    match count {
        0 => "–".to_owned(),
        // Rounded down: 100 % is said of all alone.
        _ => {
            let tenths = covered.min(count) * 1000 / count;
            format!("{}.{} % of {count}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(files: &[(&str, u64, u64)]) -> String {
        let files: Vec<_> = files
            .iter()
            .map(|(name, count, covered)| {
                let count = serde_json::json!({"count": count, "covered": covered, "percent": 0});
                let summary =
                    serde_json::json!({"lines": count, "regions": count, "functions": count});
                serde_json::json!({"filename": name, "summary": summary})
            })
            .collect();
        serde_json::json!({"type": "llvm.coverage.json.export", "data": [{"files": files}]})
            .to_string()
    }

    #[test]
    fn files_are_summed_by_crate_or_module() {
        let report = report(&[
            ("/r/core/src/json/parse.rs", 200, 199),
            ("/r/core/src/json/write.rs", 1, 1),
            ("/r/core/src/id.rs", 10, 10),
            ("/r/core/src/json/parse_tests.rs", 70, 1),
            ("/r/adapters/cli/src/main.rs", 3, 2),
            ("/registry/serde/src/lib.rs", 9, 9),
        ]);
        let table = coverage_table(&report, Path::new("/r"), &["core"]).unwrap_or_default();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[1], ["adapters/cli", "66.6 % of 3", "66.6 % of 3", "–"]);
        assert_eq!(rows[2], ["core/id", "100.0 % of 10", "100.0 % of 10", "–"]);
        assert_eq!(rows[3], ["core/json", "99.5 % of 201", "99.5 % of 201", "–"]);
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn a_report_of_nothing_here_is_an_error() {
        assert!(coverage_table(&report(&[("/x/src/a.rs", 1, 1)]), Path::new("/r"), &[]).is_err());
        assert!(coverage_table("{}", Path::new("/r"), &[]).is_err());
    }
}
