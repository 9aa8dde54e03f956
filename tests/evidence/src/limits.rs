//! The limits of time and size that the code has, as a page: a change of one is seen there.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folders whose sources have limits, in the order of the page.
const FOLDERS: [&str; 3] = ["core/src", "adapters", "tests/sandbox/src"];

/// What only tests use.
const TESTS: [&str; 6] =
    ["tests", "fuzz", "small_worlds", "interleavings", "every_failure", "world"];

/// Files and folders of a command line, or of what is generated.
const OTHERS: [&str; 3] = ["cli", "target", "examples"];

const TYPES: [&str; 9] = ["Duration", "usize", "u128", "u64", "u32", "u16", "u8", "i64", "i32"];

const HEAD: &str = "# The limits\n\n\
    Each constant of time and size in the sources of the core, of the adapters but the command line, and of the\n\
    sandbox, with what its comment says. A test compares this page with the sources. So no limit changes unseen: where a test computes with the constant\n\
    itself, it passes with any value. This page is generated:\n\n    \
    cargo run -q -p lp-connector-evidence -- limits\n";

/// One constant.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Limit {
    name: String,
    value: String,
    says: String,
}

/// The page of all limits in the repository at `root`.
///
/// # Errors
///
/// If a source cannot be read.
pub fn limits_page(root: &Path) -> io::Result<String> {
    let mut page = HEAD.to_owned();
    let mut last = String::new();
    for folder in FOLDERS {
        let mut files = Vec::new();
        sources(&root.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            let Some((package, inside)) = shown.split_once("/src/") else { continue };
            for Limit { name, value, says } in limits(&fs::read_to_string(&file)?) {
                if package != last {
                    package.clone_into(&mut last);
                    let head = "| file | name | value | what |\n|---|---|---|---|";
                    let _ = writeln!(page, "\n## `{package}`\n\n{head}");
                }
                let _ = writeln!(page, "| `{inside}` | `{name}` | `{value}` | {says} |");
            }
        }
    }
    Ok(page)
}

/// The sources below a folder, those of tests left out.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        if TESTS.contains(&name) || OTHERS.contains(&name) || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The limits of one source, down to its tests.
fn limits(source: &str) -> Vec<Limit> {
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        // A module of tests in the file is its last part.
        if line.starts_with("mod tests {") {
            break;
        }
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
            continue;
        }
        if let Some((name, rest)) = constant(line) {
            let mut value = rest.to_owned();
            while !value.ends_with(';') {
                let Some(next) = lines.next() else { break };
                value = format!("{value} {next}").trim().to_owned();
            }
            let value = value.trim_end_matches(';').replace('|', "\\|");
            found.push(Limit { name: name.to_owned(), value, says: first_sentence(&comment) });
        }
        if !line.starts_with('#') {
            comment.clear();
        }
    }
    found
}

/// The name of the constant that a line begins, and what follows its `=`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once("const ")?;
    let is_visibility = before.is_empty() || (before.starts_with("pub") && before.ends_with(' '));
    let (name, rest) = after.split_once(": ")?;
    let (kind, value) = rest.split_once('=')?;
    let is_limit = TYPES.contains(&kind.trim()) || kind.starts_with("[Duration");
    (is_visibility && is_limit).then(|| (name, value.trim()))
}

/// The first sentence of a comment, without the links of its sources.
fn first_sentence(comment: &str) -> String {
    let text = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    let sentence = text.get(..end).unwrap_or_default();
    sentence.split(" ([protocol.md").next().unwrap_or_default().replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_found_with_their_comments() {
        let source = "/// How long\n/// ([protocol.md 1](x)). More.\n#[doc(hidden)]\n\
            pub(crate) const LIFE: Duration =\n    Duration::from_secs(3);\n\
            const NAME: &str = \"x\";\n/// Of another.\nfn f() {}\npub const MOST: usize = 2 * 4;\n\
            #[cfg(test)]\nmod tests {\n    const NOT: u8 = 1;\n";
        let limit = |name: &str, value: &str, says: &str| Limit {
            name: name.to_owned(),
            value: value.to_owned(),
            says: says.to_owned(),
        };
        let expected =
            [limit("LIFE", "Duration::from_secs(3)", "How long"), limit("MOST", "2 * 4", "")];
        assert_eq!(limits(source), expected);
    }
}
