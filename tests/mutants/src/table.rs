//! What came of all mutants, a line for each module.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::listed::Mutant;

/// What a mutant counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Column {
    Caught,
    OutOfTime,
    Missed,
    Equivalent,
    DoesNotCompile,
    NotTried,
}

const COLUMNS: [(Column, &str); 6] = [
    (Column::Caught, "caught"),
    (Column::OutOfTime, "out of time"),
    (Column::Missed, "missed"),
    (Column::Equivalent, "equivalent"),
    (Column::DoesNotCompile, "does not compile"),
    (Column::NotTried, "not tried"),
];

/// The counts of each module.
#[derive(Debug, Default)]
pub(crate) struct Table(BTreeMap<String, BTreeMap<Column, usize>>);

impl Table {
    pub(crate) fn count(&mut self, mutant: &Mutant, column: Column) {
        *self.0.entry(module(&mutant.file)).or_default().entry(column).or_default() += 1;
    }

    fn sum(&self, column: Column) -> usize {
        self.0.values().filter_map(|counts| counts.get(&column)).sum()
    }

    /// Of the mutants that compile and are not equivalent, how many in a thousand are missed, rounded up.
    pub(crate) fn missed_in_a_thousand(&self) -> usize {
        let missed = self.sum(Column::Missed);
        let tried = missed + self.sum(Column::Caught) + self.sum(Column::OutOfTime);
        (missed * 1000).div_ceil(tried.max(1))
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut head = format!("{:34}", "module");
        for (_, name) in COLUMNS {
            write!(head, "  {name}")?;
        }
        writeln!(formatter, "{head}")?;
        let all = COLUMNS.iter().map(|(column, _)| (*column, self.sum(*column))).collect();
        for (module, counts) in
            self.0.iter().map(|(module, counts)| (module.as_str(), counts)).chain([("all", &all)])
        {
            write!(formatter, "{module:34}")?;
            for (column, name) in COLUMNS {
                write!(
                    formatter,
                    "  {:>width$}",
                    counts.get(&column).unwrap_or(&0),
                    width = name.len()
                )?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

/// The folder below `src`; a file there counts as its package.
fn module(file: &Path) -> String {
    let mut parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    parts.pop();
    let source = parts.iter().position(|part| *part == "src").map_or(parts.len(), |at| at + 2);
    parts.truncate(source);
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_the_folder_below_the_sources() {
        assert_eq!(module(Path::new("core/src/bridge/store/lane.rs")), "core/src/bridge");
        assert_eq!(module(Path::new("core/src/id.rs")), "core/src");
        assert_eq!(module(Path::new("adapters/async/src/pool/mod.rs")), "adapters/async/src/pool");
    }
}
