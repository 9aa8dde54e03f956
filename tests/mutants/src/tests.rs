//! The list of equivalent mutants names lines that are there, each with a reason, and every package is a part, or has a
//! reason why not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::parts::PARTS;

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
fn each_part_is_a_package() {
    for part in &PARTS {
        let is_adapter = root().join("adapters").join(part.name).join("src").is_dir();
        assert!(is_adapter || part.name == "core", "{}", part.name);
    }
}

#[test]
fn each_package_is_a_part_or_says_why_not() {
    let parts = read("tests/mutants/src/parts.rs");
    for entry in fs::read_dir(root().join("adapters")).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let is_left_out = parts.contains(&format!("// Left out: {name}, "));
        assert!(PARTS.iter().any(|part| part.name == name) != is_left_out, "{name}");
    }
}
