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

/// The targets of a page's links, those in its definitions too. Examples have none.
fn links(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let prose: String = text.split("```").step_by(2).collect();
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let defined = prose.lines().filter(|line| line.starts_with('['));
    let defined = defined.filter_map(|line| line.split_once("]: ").map(|(_, target)| target));
    inline.chain(defined).filter(|target| !target.contains(' ')).map(str::to_owned).collect()
}

/// The pages of the guide.
fn guide() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("adapters/lp-connector/src/guide")).unwrap();
    let pages = entries.map(|entry| entry.unwrap().path());
    pages.filter(|page| page.extension().is_some_and(|end| end == "md")).collect()
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let pages = [
        "README.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        "tests/README.md",
        "fuzz/README.md",
        "tests/bench/BENCHMARKS.md",
        "core/protocol.md",
        "adapters/gateway/GATEWAY.md",
        "adapters/gateway/operations/OPERATIONS.md",
    ];
    let mut count = 0;
    for page in pages.map(|page| root().join(page)).into_iter().chain(guide()) {
        let links = links(&page);
        for target in links.iter().filter(|target| !target.contains("://")) {
            let file = target.split('#').next().unwrap();
            assert!(page.parent().unwrap().join(file).exists(), "{}: {target}", page.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}

/// A guide is read in the repository too, where no link of rustdoc leads anywhere. So each of its links to an item has
/// two definitions: that in `links.txt`, which stands first in the documentation and which rustdoc checks, and that at
/// the page's end.
#[test]
fn a_link_of_a_guide_to_an_item_leads_to_its_source() {
    let paths = root().join("adapters/lp-connector/src/guide/links.txt");
    let paths = fs::read_to_string(paths).unwrap();
    let mut count = 0;
    for page in guide() {
        let shown = page.display();
        let text = fs::read_to_string(&page).unwrap();
        let prose: String = text.split("```").step_by(2).collect();
        for label in prose.split("][").skip(1).filter_map(|rest| rest.split(']').next()) {
            let target = |text: &str| {
                let definition = format!("[{label}]: ");
                text.lines().find_map(|line| line.strip_prefix(&definition).map(str::to_owned))
            };
            let path = target(&paths).unwrap_or_else(|| panic!("{shown}: {label} has no path"));
            let file = target(&text).unwrap_or_else(|| panic!("{shown}: {label} has no file"));
            let source = page.parent().unwrap().join(file.split('#').next().unwrap());
            // The name of a module is that of its file.
            let name = path.split("::").last().unwrap().split('#').next().unwrap();
            let names_it = source.display().to_string().contains(name)
                || fs::read_to_string(&source).unwrap().contains(name);
            assert!(names_it, "{shown}: no {name} in {file}");
            count += 1;
        }
    }
    assert!(count > 100, "{count} links");
}
