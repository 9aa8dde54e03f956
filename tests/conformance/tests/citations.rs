//! Each part of protocol.md that a doc comment cites is a link, and the link leads somewhere.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The directories with sources.
const SOURCES: [&str; 3] = ["adapters", "core", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn parts() -> BTreeSet<String> {
    let protocol = fs::read_to_string(root().join("core/protocol.md")).unwrap();
    let ids = protocol.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next());
    ids.map(str::to_owned).collect()
}

/// The Rust files and the guides of a directory, or the file itself.
fn sources(path: PathBuf) -> Vec<PathBuf> {
    if path.is_file() {
        let is_guide = path.parent().is_some_and(|directory| directory.ends_with("guide"));
        let is_source = path.extension().is_some_and(|end| end == "rs") || is_guide;
        return if is_source { vec![path] } else { vec![] };
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("target")).flat_map(sources).collect()
}

/// The words of a guide or of a file's doc comments, less the examples in them.
fn documentation(file: &Path) -> String {
    let source = fs::read_to_string(file).unwrap();
    let is_guide = file.extension().is_some_and(|end| end == "md");
    let mut in_example = false;
    let mut words = String::new();
    for line in source.lines().map(str::trim_start) {
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let Some(text) = comment.or(is_guide.then_some(line)) else {
            in_example = false;
            continue;
        };
        if text.trim_start().starts_with("```") {
            in_example = !in_example;
        } else if !in_example {
            words.extend([text.trim(), " "]);
        }
    }
    words
}

fn number(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.get(..end).unwrap().trim_end_matches('.')
}

#[test]
fn every_numbered_part_has_an_anchor() {
    let protocol = fs::read_to_string(root().join("core/protocol.md")).unwrap();
    let parts = parts();
    let headings = protocol.lines().filter_map(|line| {
        line.strip_prefix("## ").or_else(|| line.strip_prefix("### "))?.split(' ').next()
    });
    let headings: BTreeSet<String> = headings.map(str::to_owned).collect();
    assert!(headings.contains("7.10"));
    assert_eq!(headings, parts);
}

#[test]
fn every_link_to_a_part_leads_to_one() {
    let parts = parts();
    let mut links = 0;
    for file in SOURCES.into_iter().flat_map(|at| sources(root().join(at))) {
        let words = documentation(&file);
        for link in ["protocol#", "protocol/#"] {
            for rest in words.split(link).skip(1) {
                let part = number(rest);
                assert!(parts.contains(part), "{}: no part {part}", file.display());
                links += 1;
            }
        }
    }
    assert!(links > 0);
}

#[test]
fn every_citation_is_a_link() {
    for file in SOURCES.into_iter().flat_map(|at| sources(root().join(at))) {
        let words = documentation(&file);
        for (at, name) in words.match_indices("protocol.md ") {
            let (before, after) = words.split_at(at);
            let part = number(after.strip_prefix(name).unwrap());
            let linked = part.is_empty() || before.ends_with('[');
            assert!(linked, "{}: protocol.md {part}", file.display());
        }
    }
}
