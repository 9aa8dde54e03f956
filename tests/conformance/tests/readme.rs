//! The README is as short as it promises to be, and no link of it or of a guide leads nowhere.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The lines of the first block of Rust that mentions `text`.
fn lines_of_program_with(text: &str) -> usize {
    let readme = readme();
    let blocks = readme.split("```rust,no_run\n").skip(1);
    let mut blocks = blocks.filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains("fn main") && block.contains(text)).unwrap().lines().count()
}

#[test]
fn it_has_fewer_than_1800_words() {
    let words = readme().split_whitespace().count();
    assert!(words < 1800, "{words} words");
}

#[test]
fn a_program_that_sends_has_12_lines() {
    let lines = lines_of_program_with("send_text");
    assert!(lines <= 12, "{lines} lines");
}

#[test]
fn a_program_that_receives_has_20_lines() {
    let lines = lines_of_program_with("shutdown_signal");
    assert!(lines <= 20, "{lines} lines");
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut links = 0;
    for file in ["README.md", ".github/CONTRIBUTING.md", "tests/README.md", "fuzz/README.md"] {
        let file = root().join(file);
        let text = fs::read_to_string(&file).unwrap();
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined = text.lines().filter(|line| line.starts_with('['));
        let defined = defined.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
        for target in inline.chain(defined).filter(|target| !target.contains("://")) {
            let target = target.split('#').next().unwrap();
            assert!(file.parent().unwrap().join(target).exists(), "{}: {target}", file.display());
            links += 1;
        }
    }
    assert!(links > 10, "{links} links");
}
