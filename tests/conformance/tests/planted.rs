//! The table of planted bugs says how many there are, and each set is planted each night.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of `tests`.
fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(tests().join(path)).unwrap()
}

/// The sets of the table: how many bugs they have, and where these are.
fn table() -> BTreeMap<String, (usize, String)> {
    let page = read("README.md");
    let section = page.split("### Planted bugs\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, set, bugs, place, ..] = cells[..] else { panic!("{row}") };
        let place = place.split("](").nth(1).unwrap().trim_end_matches(')');
        (set.trim_matches('`').to_owned(), (bugs.parse().unwrap(), place.to_owned()))
    })
    .collect()
}

/// The names of the patches in a folder.
fn patches(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.map(|name| name.into_string().unwrap());
    names.filter(|name| name.ends_with(".patch")).collect()
}

/// The folders with patches, at this one and below.
fn folders(from: &Path, found: &mut Vec<PathBuf>) {
    if !patches(from).is_empty() {
        found.push(from.canonicalize().unwrap());
    }
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type().unwrap().is_dir() && !hidden && entry.file_name() != "target" {
            folders(&entry.path(), found);
        }
    }
}

#[test]
fn the_table_has_the_number_of_bugs_of_each_set() {
    for (set, (bugs, place)) in table() {
        assert_eq!(patches(&tests().join(place)).len(), bugs, "{set}");
    }
}

#[test]
fn no_folder_of_patches_is_outside_the_table() {
    let mut found = Vec::new();
    folders(&tests().join(".."), &mut found);
    let known = table().into_values();
    let mut known: Vec<PathBuf> =
        known.map(|(_, place)| tests().join(place).canonicalize().unwrap()).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn each_set_is_planted_by_the_script_and_each_night() {
    let named = |text: &str, before: &str, after: &str| {
        let list = text.split(before).nth(1).unwrap().split(after).next().unwrap();
        let mut names: Vec<String> =
            list.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.sort();
        names
    };
    let sets: Vec<String> = table().into_keys().collect();
    assert_eq!(named(&read("planted.sh"), "for one in ", "; do"), sets);
    assert_eq!(named(&read("../.github/workflows/ci.yml"), "set: [", "]"), sets);
}

#[test]
fn who_contributes_reads_where_a_bug_of_each_set_goes() {
    let page = read("../.github/CONTRIBUTING.md");
    for (set, (_, place)) in table() {
        let folder = place.rsplit("../").next().unwrap();
        let names = [format!("`{set}`"), format!("planted.sh {set} ")];
        assert!(names.iter().any(|name| page.contains(name)), "{set}");
        assert!(page.contains(folder), "{folder}");
    }
}
