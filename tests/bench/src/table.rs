//! The tables of a report, for the terminal and for Markdown.

use crate::report::{Report, Rounds};

/// A table: a head, and rows of as many cells.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    fn new(name: &'static str, head: &[&str]) -> Self {
        Self { name, head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    fn widths(&self) -> Vec<usize> {
        let all = std::iter::once(&self.head).chain(&self.rows);
        all.fold(vec![0; self.head.len()], |widths, row| {
            widths.iter().zip(row).map(|(width, cell)| (*width).max(cell.chars().count())).collect()
        })
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: Vec<String> = self.head.iter().map(|_| "---".to_owned()).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.head) + &line(&rule).replace(' ', "") + &rows
    }

    fn plain(&self) -> String {
        let widths = self.widths();
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let rows: String = self.rows.iter().map(line).collect();
        format!("\n{}\n{}{rows}", self.name, line(&self.head))
    }
}

/// For the terminal.
pub(crate) fn plain(report: &Report) -> String {
    all(report).iter().filter(|table| !table.rows.is_empty()).map(Table::plain).collect()
}

/// All tables of a report. Their names are the places in the template too.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    vec![
        targets(report),
        memory_cases(report),
        waiting(report),
        memory(report),
        load(report),
        bridge(report),
        ratios(report),
    ]
}

fn targets(report: &Report) -> Table {
    let mut table = Table::new("targets", &["what", "of", "to", "in", "figure", "target", ""]);
    for ratio in report.ratios.iter().filter(|ratio| ratio.target.is_some()) {
        let verdict = if ratio.met == Some(true) { "met" } else { "not met" };
        table.rows.push(vec![
            ratio.what.clone(),
            ratio.of.clone(),
            ratio.to.clone(),
            ratio.unit.clone(),
            figure(ratio.ratio),
            ratio.target.clone().unwrap_or_default(),
            verdict.to_owned(),
        ]);
    }
    table
}

fn ratios(report: &Report) -> Table {
    let mut table = Table::new("ratios", &["what", "of", "to", "in", "ratio"]);
    for ratio in report.ratios.iter().filter(|ratio| ratio.target.is_none()) {
        table.rows.push(vec![
            ratio.what.clone(),
            ratio.of.clone(),
            ratio.to.clone(),
            ratio.unit.clone(),
            figure(ratio.ratio),
        ]);
    }
    table
}

fn memory_cases(report: &Report) -> Table {
    let head = ["what", "how", "ns", "spread", "instructions", "allocations", "bytes"];
    let mut table = Table::new("core", &head);
    let maybe = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), whole);
    let mut last = "";
    for case in &report.cases {
        let group = if case.group == last { "" } else { case.group.as_str() };
        last = &case.group;
        table.rows.push(vec![
            group.to_owned(),
            case.name.clone(),
            maybe(case.nanoseconds.map(|ns| ns.median)),
            case.nanoseconds.as_ref().map_or_else(|| "–".to_owned(), spread),
            maybe(case.instructions),
            maybe(case.allocations),
            maybe(case.bytes),
        ]);
    }
    table
}

fn waiting(report: &Report) -> Table {
    let mut table = Table::new("waiting", &["what", "figure", "spread"]);
    if let Some(contention) = &report.contention {
        let callers = contention.callers;
        table.rows.push(vec![
            format!("{callers} callers: from the token's arrival until all have sent, ms"),
            figure(contention.milliseconds.median),
            spread(&contention.milliseconds),
        ]);
        for (what, polls) in [
            ("polls of each caller, from its first to its request", contention.polls_per_caller),
            ("of these after the token's arrival", contention.polls_per_caller_after_arrival),
        ] {
            table.rows.push(vec![what.to_owned(), figure(polls), String::new()]);
        }
    }
    if let Some(token) = &report.token {
        table.rows.push(vec![
            "a token that is there, read, ns".to_owned(),
            figure(token.alone_ns.median),
            spread(&token.alone_ns),
        ]);
        for contended in &token.under_lock {
            let threads = contended.threads;
            for (what, ns) in [
                ("one lock", &contended.ns_per_call),
                ("a lock each", &contended.ns_per_call_apart),
            ] {
                let what = format!("a whole call in memory, {threads} threads, {what}, ns");
                table.rows.push(vec![what, whole(ns.median), spread(ns)]);
            }
        }
    }
    table
}

fn memory(report: &Report) -> Table {
    let mut table = Table::new("memory", &["remembered", "how many", "bytes each"]);
    for measured in &report.memory {
        let count = measured.count.to_string();
        table.rows.push(vec![measured.what.clone(), count, whole(measured.bytes_each)]);
    }
    table
}

fn load(report: &Report) -> Table {
    let head = ["at once", "client", "messages/s", "spread", "CPU µs/message", "spread"];
    let mut table = Table::new("load", &head);
    for load in &report.load {
        table.rows.push(vec![
            load.callers.to_string(),
            load.client.clone(),
            whole(load.messages_per_second.median),
            spread(&load.messages_per_second),
            format!("{:.1}", load.cpu_per_message.median),
            spread(&load.cpu_per_message),
        ]);
    }
    table
}

fn bridge(report: &Report) -> Table {
    let head = [
        "store",
        "bridges",
        "messages/s",
        "cycles/s",
        "written a message",
        "CPU µs/message",
        "at a steady",
        "p50 ms",
        "p99 ms",
        "max ms",
    ];
    let mut table = Table::new("bridge", &head);
    for run in &report.bridge {
        table.rows.push(vec![
            run.store.clone(),
            run.instances.to_string(),
            whole(run.messages_per_second),
            whole(run.cycles_per_second),
            run.written_per_message.map_or_else(|| "–".to_owned(), whole),
            whole(run.cpu_per_message),
            format!("{:.0}/s", run.steady_rate),
            figure(run.p50_ms),
            figure(run.p99_ms),
            figure(run.max_ms),
        ]);
    }
    table
}

fn spread(rounds: &Rounds) -> String {
    let digits = usize::from(rounds.max < 1000.0);
    format!("{:.digits$} … {:.digits$}", rounds.min, rounds.max)
}

fn whole(number: f64) -> String {
    if number < 10.0 && number.fract() != 0.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

fn figure(number: f64) -> String {
    if number < 10.0 { format!("{number:.2}") } else { format!("{number:.1}") }
}
