//! The tree in which the mutants stand: a copy of the tracked files, with a switch at each.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::listed::Mutant;
use crate::switch::{self, Number, Switched};

/// What stands at the end of each crate's root. `const_eval_select` is not stable: a `const fn` has switches too, which are
/// off where the compiler computes its value.
const MODULE: &str = r#"
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, dead_code)]
pub mod __mutant {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Switches {
        on: u32,
        reached: Option<(std::sync::Mutex<std::fs::File>, Vec<AtomicBool>)>,
    }

    pub const fn on(number: u32) -> bool {
        std::intrinsics::const_eval_select((number,), off, is_on)
    }

    const fn off(_: u32) -> bool {
        false
    }

    fn is_on(number: u32) -> bool {
        static SWITCHES: OnceLock<Switches> = OnceLock::new();
        let switches = SWITCHES.get_or_init(|| Switches {
            on: std::env::var("LP_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX),
            reached: std::env::var_os("LP_MUTANTS_REACHED").and_then(|path| {
                let file = std::fs::File::options().append(true).create(true).open(path).ok()?;
                Some((std::sync::Mutex::new(file), (0..65536).map(|_| AtomicBool::new(false)).collect()))
            }),
        });
        if let Some((file, reached)) = &switches.reached {
            if let Some(one) = reached.get(number as usize) {
                if !one.swap(true, Ordering::Relaxed) {
                    if let Ok(mut file) = file.lock() {
                        let _ = file.write_all(format!("{number}\n").as_bytes());
                    }
                }
            }
        }
        switches.on == number
    }
}
"#;

/// The tree, and which text of it is whose.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    /// The roots of crates, relative.
    crates: Vec<PathBuf>,
    pub(crate) files: BTreeMap<PathBuf, Switched>,
}

impl Tree {
    /// Copies the tracked files, as they are.
    ///
    /// # Errors
    /// A sentence if it cannot be copied.
    pub(crate) fn new(from: &Path, root: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", root.display());
        fs::create_dir_all(root).map_err(failed)?;
        for entry in fs::read_dir(root).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.file_name().is_some_and(|name| name != "target") {
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
                    .map_err(failed)?;
            }
        }
        let files = Command::new("git")
            .current_dir(from)
            .args(["ls-files", "-z"])
            .output()
            .map_err(failed)?;
        let mut crates = Vec::new();
        for name in
            String::from_utf8_lossy(&files.stdout).split('\0').filter(|name| !name.is_empty())
        {
            let (source, to) = (from.join(name), root.join(name));
            if !source.is_file() {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
            fs::copy(&source, &to).map_err(failed)?;
            if name.ends_with("src/lib.rs")
                || name.ends_with("src/main.rs")
                || name.contains("src/bin/")
            {
                crates.push(PathBuf::from(name));
            }
        }
        Ok(Self { root: root.to_owned(), crates, files: BTreeMap::new() })
    }

    /// Writes the sources with the switches of those that are not left out.
    ///
    /// # Errors
    /// A sentence if a source cannot be read or written.
    pub(crate) fn write(
        &mut self,
        from: &Path,
        mutants: &[Mutant],
        left_out: &HashSet<Number>,
    ) -> Result<(), String> {
        let mut by_file: BTreeMap<&Path, Vec<(Number, &Mutant)>> = BTreeMap::new();
        let mut packages = BTreeSet::new();
        for (number, mutant) in mutants.iter().enumerate() {
            by_file.entry(&mutant.file).or_default();
            if let Some(package) = mutant.file.iter().position(|part| part == "src") {
                packages.insert(mutant.file.iter().take(package).collect::<PathBuf>());
            }
            if !left_out.contains(&number) {
                by_file.entry(&mutant.file).or_default().push((number, mutant));
            }
        }
        let roots: Vec<&PathBuf> = self
            .crates
            .iter()
            .filter(|root| packages.iter().any(|package| root.starts_with(package.join("src"))))
            .collect();
        for root in &roots {
            by_file.entry(root).or_default();
        }
        let mut files = BTreeMap::new();
        for (file, mutants) in by_file {
            let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
            let source = fs::read_to_string(from.join(file)).map_err(|error| failed(&error))?;
            let mut switched = switch::switch(&source, &mutants).map_err(|error| failed(&error))?;
            if roots.iter().any(|root| *root == file) {
                let features =
                    "#![feature(core_intrinsics, const_eval_select)] #![allow(internal_features)] ";
                // On the first line, so that lines stay lines, before what is there.
                switched.shift(features.len());
                switched.text.insert_str(0, features);
                switched.text.push_str(MODULE);
            }
            let path = self.root.join(file);
            if fs::read_to_string(&path).map_err(|error| failed(&error))? != switched.text {
                fs::write(&path, &switched.text).map_err(|error| failed(&error))?;
            }
            files.insert(file.to_owned(), switched);
        }
        self.files = files;
        Ok(())
    }
}

impl Switched {
    fn shift(&mut self, by: usize) {
        for (range, _) in self.inserted.iter_mut().chain(&mut self.enclosed) {
            *range = range.start + by..range.end + by;
        }
    }

    /// Whose text a compiler's error is about: what was inserted there, else the smallest switch around it.
    #[must_use]
    pub(crate) fn whose(&self, error: &std::ops::Range<usize>) -> Vec<Number> {
        let touches = |range: &std::ops::Range<usize>| {
            range.start < error.end.max(error.start + 1) && error.start < range.end
        };
        let mut inserted: Vec<_> =
            self.inserted.iter().filter(|(range, _)| touches(range)).collect();
        inserted.sort_by_key(|(_, whose)| whose.len());
        // An error about an expression with switches within is about the text that is wholly in it.
        if let Some((_, whose)) =
            inserted.iter().find(|(range, _)| range.start <= error.start && error.end <= range.end)
        {
            return whose.clone();
        }
        let around = self
            .enclosed
            .iter()
            .filter(|(range, _)| range.start <= error.start && error.end <= range.end);
        let smallest = around.min_by_key(|(range, _)| range.len()).map(|(_, whose)| whose.clone());
        let within: Vec<Number> = inserted.iter().flat_map(|(_, whose)| whose.clone()).collect();
        if within.is_empty() { smallest.unwrap_or_default() } else { within }
    }
}
