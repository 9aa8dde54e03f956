//! Renders `BENCHMARKS.md` from a template with placeholders.

use crate::BenchError;
use crate::bridge::sending;
use std::fs;
use std::path::Path;

use crate::report::{Machine, Report};
use crate::table;

/// Replaces the placeholders, which are written `{{name}}`.
pub(crate) fn render(report: &Path, template: &Path) -> Result<String, BenchError> {
    let report: Report = serde_json::from_str(&fs::read_to_string(report)?)?;
    let mut text = fs::read_to_string(template)?;
    let mut placeholders = vec![("machine".to_owned(), machine(&report.machine))];
    for table in table::all(&report) {
        placeholders.push((table.name.to_owned(), table.markdown().trim_end().to_owned()));
    }
    for case in &report.cases {
        let number = |number: Option<f64>| {
            number.map_or_else(|| "–".to_owned(), |number| format!("{number:.0}"))
        };
        let id = case.id();
        placeholders
            .push((format!("ns {id}"), number(case.nanoseconds.as_ref().map(|ns| ns.median))));
        placeholders.push((format!("instructions {id}"), number(case.instructions)));
        placeholders.push((format!("allocations {id}"), number(case.allocations)));
    }
    for memory in &report.memory {
        let name = format!("bytes {} {}", memory.what, memory.count);
        placeholders.push((name, format!("{:.0}", memory.bytes_each)));
    }
    placeholders.push(("consumers".to_owned(), sending::CONSUMERS.to_string()));
    for load in &report.load {
        let cpu = format!("{:.1}", load.cpu_per_message.median);
        placeholders.push((format!("cpu {} {}", load.client, load.callers), cpu));
    }
    for (name, content) in placeholders {
        text = text.replace(&format!("{{{{{name}}}}}"), &content);
    }
    match text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")) {
        Some((name, _)) => Err(format!("no figure for the placeholder {{{{{name}}}}}").into()),
        None => Ok(text),
    }
}

fn machine(machine: &Machine) -> String {
    let Machine { processor, cores, system, compiler, valgrind } = machine;
    let valgrind = valgrind.as_deref().unwrap_or("no valgrind");
    format!("{processor}, {cores} cores, {system}; {compiler}; {valgrind}")
}
