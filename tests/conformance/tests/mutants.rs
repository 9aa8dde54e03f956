//! The list of equivalent mutants names lines that are there, each with a reason, and every package has its shards, or a reason why not.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Each entry of the list: its file, line, change and reason.
fn equivalent() -> Vec<[String; 4]> {
    let text = read("tests/mutants-equivalent.toml");
    let table = DeTable::parse(&text).unwrap();
    let Some(DeValue::Array(mutants)) = table.get_ref().get("mutant").map(|all| all.get_ref())
    else {
        return Vec::new();
    };
    let fields = ["file", "line", "change", "reason"];
    let entries = mutants.iter().map(|one| {
        let DeValue::Table(one) = one.get_ref() else { panic!("no table") };
        assert_eq!(one.len(), fields.len(), "{one:?}");
        fields.map(|field| match one[field].get_ref() {
            DeValue::String(text) => text.to_string(),
            other => panic!("{field} is {other:?}"),
        })
    });
    entries.collect()
}

#[test]
fn each_equivalent_mutant_is_of_a_line_that_is_there() {
    for [file, line, ..] in equivalent() {
        let is_there = read(&file).lines().any(|one| one.trim() == line);
        assert!(is_there, "{file} has no line {line:?}");
    }
}

#[test]
fn each_equivalent_mutant_has_a_reason_and_is_there_once() {
    let mut seen = BTreeSet::new();
    for [file, line, change, reason] in equivalent() {
        assert!(reason.split_whitespace().count() >= 5, "{file}, {line}: {reason:?}");
        assert!(seen.insert((file.clone(), line.clone(), change)), "{file}, {line} is there twice");
    }
}

#[test]
fn each_part_of_the_script_is_there() {
    let script = read("tests/mutants.sh");
    let parts = script.split("parts=(").nth(1).unwrap().split(')').next().unwrap();
    let parts = parts.split_whitespace().filter_map(|one| one.split(':').next());
    for part in parts {
        let folder = match part.split_once('/') {
            Some((_, "rest")) => "core/src".to_owned(),
            Some((_, module)) => format!("core/src/{module}"),
            None => format!("adapters/{part}/src"),
        };
        assert!(root().join(folder).is_dir(), "{part}");
    }
}

#[test]
fn each_module_of_the_core_is_of_a_part() {
    let script = read("tests/mutants.sh");
    for entry in fs::read_dir(root().join("core/src")).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        // `error` is of the rest, and what fuzz targets are made of is not tried.
        if entry.file_type().unwrap().is_dir() && !["error", "fuzz"].contains(&name.as_str()) {
            assert!(script.contains(&format!("core/{name}:")), "{name}");
        }
    }
}

#[test]
fn each_package_is_of_a_part_or_says_why_not() {
    let script = read("tests/mutants.sh");
    let parts = script.split("parts=(").nth(1).unwrap().split(')').next().unwrap();
    let part = |name: &str| parts.split_whitespace().any(|one| one.split(':').next() == Some(name));
    for entry in fs::read_dir(root().join("adapters")).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let is_left_out = script.contains(&format!("# Left out: {name}, "));
        assert!(part(&name) != is_left_out, "{name}");
    }
}
