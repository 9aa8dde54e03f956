//! A value as it is written somewhere.

use super::source::Source;

/// A value as it is written somewhere.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Given {
    pub(super) path: String,
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// What is written. `Debug` may show a secret: it is for tests alone.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Raw {
    /// In a variable or an option: a text that may stand for anything. In the file: a string.
    Text(String),
    Yes(bool),
    Number(i128),
    List(Vec<String>),
    /// A table of the file, whose members follow.
    Table,
    /// Something that no setting takes.
    Other(&'static str),
}

/// The names of the tables in these tables.
pub(super) fn names(given: &[Given], tables: &[&str]) -> Vec<String> {
    let name = |one: &Given| {
        let mut levels = one.path.split('.');
        let is_in = levels.next().is_some_and(|table| tables.contains(&table));
        levels.next().filter(|_| is_in).map(str::to_owned)
    };
    let mut names: Vec<_> = given.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
