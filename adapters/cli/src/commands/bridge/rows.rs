//! What a bridge lists: a table on a terminal, and a line for each thing elsewhere.

use std::time::Duration;

use serde_json::Value;

use crate::output::Output;
use crate::table::{self, Table};

/// A list of things, of which people see the members with these names.
pub(super) struct Rows<'a> {
    output: &'a Output,
    names: &'a [&'static str],
    /// What goes before each line.
    indent: &'static str,
    /// A member with a sentence, and what leads to it in a line. It is the last column of a table.
    reason: Option<(&'static str, &'static str)>,
    table: Option<Table>,
}

impl<'a> Rows<'a> {
    /// A list of its own.
    pub(super) fn new(output: &'a Output, names: &'a [&'static str]) -> Self {
        let is_table = table::is_looked_at() && !output.is_json();
        let table = is_table.then(|| Table::new(&[]));
        Self { output, names, indent: "", reason: None, table }.with_titles()
    }

    /// A list below its heading.
    pub(super) fn below(output: &'a Output, names: &'a [&'static str]) -> Self {
        Self { indent: "  ", ..Self::new(output, names) }
    }

    /// With a member that has a sentence.
    pub(super) fn reason(self, name: &'static str, leading: &'static str) -> Self {
        Self { reason: Some((name, leading)), ..self }.with_titles()
    }

    fn with_titles(self) -> Self {
        let names = self.names.iter().copied().chain(self.reason.map(|(name, _)| name));
        let titles: Vec<String> = names.map(|name| name.replace('_', " ").to_uppercase()).collect();
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let table = self.table.as_ref().map(|_| Table::new(&titles));
        Self { table, ..self }
    }

    /// A list of lines, also on a terminal: they have more than fits into a table.
    pub(super) fn of_lines(output: &'a Output, names: &'a [&'static str]) -> Self {
        Self { table: None, ..Self::new(output, names) }
    }

    /// Shows one: as an event for programs, if there is any, and otherwise with `more` at its end.
    pub(super) fn show(&mut self, event: Option<&Value>, one: &Value, more: &str) {
        match (&mut self.table, event) {
            (Some(table), _) => {
                let names = self.names.iter().copied().chain(self.reason.map(|(name, _)| name));
                table.row(names.map(|name| cell(one.get(name))));
            }
            (None, Some(event)) => self.output.done(event, self.line(one, more)),
            (None, None) => self.output.say(crate::output::sanitize(&self.line(one, more))),
        }
    }

    fn line(&self, one: &Value, more: &str) -> String {
        let reason = self.reason.map(|(name, leading)| {
            let reason = one.get(name).and_then(Value::as_str).unwrap_or_default();
            format!(" {leading} {reason}")
        });
        format!("{}{}{more}{}", self.indent, line(one, self.names), reason.unwrap_or_default())
    }

    /// Prints the table. Where there is nothing, `none` says so to people at a terminal.
    pub(super) fn end(self, none: &str) {
        let Some(table) = self.table else { return };
        if table.is_empty() && !none.is_empty() {
            self.output.note(none);
        }
        table.without_empty_columns().print(self.output);
    }
}

/// A member as a cell.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(value) if value.is_f64() => {
            let seconds = value.as_f64().and_then(|time| Duration::try_from_secs_f64(time).ok());
            seconds.map_or_else(|| text(value), table::time)
        }
        Some(other) => text(other),
    }
}

/// These members of an object, those that are null left out.
pub(super) fn line(object: &Value, names: &[&str]) -> String {
    let shown = names.iter().filter_map(|name| match object.get(name)? {
        Value::Null => None,
        value => Some(format!("{name}={}", text(value))),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A value: a number with a point is a time.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(seconds) => format!("{seconds:.1}s"),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_what_a_thing_has() {
        let one = json!({"id": "a b", "up": 1.25, "lanes": 2, "asked": true, "host": null});
        let names = ["id", "host", "up", "lanes", "asked", "silent"];
        assert_eq!(line(&one, &names), "id=a b up=1.2s lanes=2 asked=true");
        let cells = names.map(|name| cell(one.get(name)));
        assert_eq!(cells, ["a b", "", "1s", "2", "yes", ""]);
    }
}
