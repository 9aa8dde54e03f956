//! The tables of a report, for the terminal and for Markdown.

use crate::report::{BridgeRun, Durability, Flushes, Ratio, Report, Rounds};
use crate::{improvements, quiet, ratio};

/// A table: a head, and rows of as many cells.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(name: &'static str, head: &[&str]) -> Self {
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
    measured(report).iter().filter(|table| !table.rows.is_empty()).map(Table::plain).collect()
}

/// All tables of the page. Their names are the places in the template.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    let mut tables = measured(report);
    tables.extend([improvements::counted(report), improvements::compared(report)]);
    tables
}

fn measured(report: &Report) -> Vec<Table> {
    vec![
        sections(report),
        targets(report),
        memory_cases(report),
        waiting(report),
        memory(report),
        load(report),
        bridge(report),
        bridge_waits(report),
        durability(report),
        requests(report),
        ratios(report),
        weight(report),
        profiles(report),
    ]
}

fn sections(report: &Report) -> Table {
    let head = ["section", "took, s", "load before", "others' processors meanwhile"];
    let mut table = Table::new("sections", &head);
    let maybe = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), figure);
    for section in &report.sections {
        table.rows.push(vec![
            section.name.clone(),
            whole(section.seconds.round()),
            maybe(section.load_before),
            maybe(section.others) + if quiet::was_busy(section) { ", busy" } else { "" },
        ]);
    }
    table
}

fn targets(report: &Report) -> Table {
    let head = ["what", "of", "to", "in", "figure", "between", "target", ""];
    let mut table = Table::new("targets", &head);
    for ratio in report.ratios.iter().filter(|ratio| ratio.target.is_some()) {
        table.rows.push(vec![
            ratio.what.clone(),
            ratio.of.clone(),
            ratio.to.clone(),
            ratio.unit.clone(),
            figure(ratio.ratio),
            between(ratio),
            ratio.target.clone().unwrap_or_default(),
            ratio::verdict(ratio),
        ]);
    }
    table
}

fn ratios(report: &Report) -> Table {
    let mut table = Table::new("ratios", &["what", "of", "to", "in", "ratio", "between"]);
    for ratio in report.ratios.iter().filter(|ratio| ratio.target.is_none()) {
        table.rows.push(vec![
            ratio.what.clone(),
            ratio.of.clone(),
            ratio.to.clone(),
            ratio.unit.clone(),
            figure(ratio.ratio),
            between(ratio),
        ]);
    }
    table
}

/// The bounds of a ratio, and whether they are too far apart.
pub(crate) fn between(ratio: &Ratio) -> String {
    let Some(sure) = &ratio.sureness else { return String::new() };
    format!("{:.2} … {:.2}{}", sure.low, sure.high, ratio::steadiness(sure))
}

fn weight(report: &Report) -> Table {
    let head = ["one message with", "crates", "most", "clean release build, s", "program"];
    let mut table = Table::new("weight", &head);
    let maybe = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), figure);
    for weight in &report.weight {
        let bytes = weight.bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6));
        table.rows.push(vec![
            weight.name.clone(),
            weight.crates.to_string(),
            weight.most.map(|most| most.to_string()).unwrap_or_default(),
            maybe(weight.release_build),
            bytes.unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    table
}

fn profiles(report: &Report) -> Table {
    let mut table = Table::new("profiles", &["case", "function", "instructions", "share"]);
    for profile in &report.profiles {
        let mut case = profile.case.as_str();
        for function in &profile.top {
            let share = function.instructions / profile.instructions * 100.0;
            table.rows.push(vec![
                std::mem::take(&mut case).to_owned(),
                format!("`{}`", without_arguments(&function.name)),
                whole(function.instructions.round()),
                format!("{share:.1} %"),
            ]);
        }
    }
    table
}

/// A function's name without its type arguments, which may be longer than a line.
fn without_arguments(name: &str) -> String {
    let mut depth = 0_usize;
    let kept = name.chars().filter(|each| match each {
        '<' => {
            depth += 1;
            false
        }
        '>' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    });
    // Two braces would be a placeholder of the page.
    let kept = kept.collect::<String>().replace("{{", "{").replace("}}", "}");
    if kept.is_empty() { name.to_owned() } else { kept.trim_start_matches("::").to_owned() }
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
            maybe(case.nanoseconds.as_ref().map(|ns| ns.median)),
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
        for (what, ns) in [
            ("a token that is there, read, ns", &token.alone_ns),
            ("a lock that nobody else wants, taken and given back, ns", &token.lock_ns),
        ] {
            table.rows.push(vec![what.to_owned(), figure(ns.median), spread(ns)]);
        }
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
    let head =
        ["at once", "client", "messages/s", "spread", "CPU µs/message", "spread", "in the kernel"];
    let mut table = Table::new("load", &head);
    for load in &report.load {
        table.rows.push(vec![
            load.callers.to_string(),
            load.client.clone(),
            whole(load.messages_per_second.median),
            spread(&load.messages_per_second),
            format!("{:.1}", load.cpu_per_message.median),
            spread(&load.cpu_per_message),
            load.system_share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
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
        "flushes/s then",
        "ms each",
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
            flushes(run, |flushes| whole(flushes.per_second)),
            flushes(run, |flushes| figure(flushes.ms_each)),
        ]);
    }
    table
}

/// What bounds the bridges at the steady rate.
fn bridge_waits(report: &Report) -> Table {
    let head = ["store", "bridges", "processors used", "sessions at work", "of these"];
    let mut table = Table::new("bridge-waits", &head);
    for run in &report.bridge {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let waits = run.waits.iter().map(|wait| format!("{} {}", wait.name, percent(wait.share)));
        table.rows.push(vec![
            run.store.clone(),
            run.instances.to_string(),
            run.busy.map_or_else(|| "–".to_owned(), percent),
            run.at_work.map_or_else(|| "–".to_owned(), figure),
            waits.collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}

fn flushes(run: &BridgeRun, cell: fn(&Flushes) -> String) -> String {
    run.flushes.as_ref().map_or_else(|| "–".to_owned(), cell)
}

fn durability(report: &Report) -> Table {
    let head = ["sent by", "messages/s", "CPU µs/message", "written a message"];
    let mut table = Table::new("durability", &head);
    for run in &report.durability {
        table.rows.push(vec![
            sent_by(run),
            whole(run.messages_per_second),
            whole(run.cpu_per_message),
            run.written_per_message.map_or_else(|| "–".to_owned(), whole),
        ]);
    }
    table
}

fn requests(report: &Report) -> Table {
    let head = ["sent by", "request to the store", "per message", "ms each"];
    let mut table = Table::new("requests", &head);
    for run in &report.durability {
        for requests in &run.requests {
            table.rows.push(vec![
                sent_by(run),
                requests.verb.clone(),
                figure(requests.per_message),
                figure(requests.milliseconds),
            ]);
        }
    }
    table
}

fn sent_by(run: &Durability) -> String {
    match &run.store {
        None => "the client alone".to_owned(),
        Some(store) => format!("a bridge on {store}"),
    }
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

pub(crate) fn figure(number: f64) -> String {
    if number < 10.0 { format!("{number:.2}") } else { format!("{number:.1}") }
}
