//! Builds the tests, and leaves out what does not compile.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::listed::Mutant;
use crate::switch::Number;
use crate::tree::Tree;

/// A program of tests.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where its tests expect to be run.
    pub(crate) folder: PathBuf,
}

/// What came of building.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) programs: Vec<Program>,
    /// What does not compile with a switch, and the compiler's code if it would not compile alone either.
    pub(crate) left_out: BTreeMap<Number, Option<String>>,
}

/// Builds the tests of packages, again and again without what the compiler refuses. What it is known to refuse is left out
/// from the start.
///
/// # Errors
/// A sentence if it refuses what is nobody's switch.
pub(crate) fn build(
    tree: &mut Tree,
    from: &Path,
    mutants: &[Mutant],
    arguments: &[String],
    mut left_out: BTreeMap<Number, Option<String>>,
) -> Result<Built, String> {
    for round in 1..=40 {
        tree.write(from, mutants, &left_out.keys().copied().collect::<HashSet<_>>())?;
        let (messages, succeeded, said) = cargo(&tree.root, arguments)?;
        if succeeded {
            return Ok(Built { programs: programs(&messages), left_out });
        }
        let refused = refused(tree, &messages);
        println!("round {round}: {} more do not compile with a switch", refused.len());
        if refused.is_empty() {
            return Err(format!("the tree does not compile:\n{}\n{said}", rendered(&messages)));
        }
        left_out.extend(refused);
    }
    Err("forty rounds, and it does not compile".into())
}

fn cargo(root: &Path, arguments: &[String]) -> Result<(Vec<Value>, bool, String), String> {
    let output = Command::new("cargo")
        .current_dir(root)
        .args(["test", "--no-run", "--message-format=json"])
        .args(arguments)
        // The switches of a `const fn` are not stable, and what lints say of them does not count.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "--cap-lints=allow")
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .output()
        .map_err(|error| format!("cargo test --no-run: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    Ok((messages, output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn is_error(message: &Value) -> bool {
    text(message, "/message/level") == Some("error")
}

/// What another value or operator is refused for: its type, mostly.
const OF_A_CHANGE: [&str; 8] =
    ["E0004", "E0015", "E0061", "E0277", "E0283", "E0308", "E0369", "E0599"];

/// Of each error the switch that it is about, and its code if the change is certainly what is wrong.
fn refused(tree: &Tree, messages: &[Value]) -> BTreeMap<Number, Option<String>> {
    let mut refused = BTreeMap::new();
    for message in messages {
        if !is_error(message) {
            continue;
        }
        let code = text(message, "/message/code/code").unwrap_or("an error").to_owned();
        let spans = message
            .pointer("/message/spans")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let is_primary =
            |span: &&Value| span.get("is_primary").and_then(Value::as_bool) == Some(true);
        let primary = spans.iter().filter(is_primary);
        let others = spans.iter().filter(|span| !is_primary(span));
        let mut whose = Vec::new();
        for span in primary.chain(others) {
            let file = Path::new(text(span, "/file_name").unwrap_or_default());
            let number = |key| {
                span.get(key)
                    .and_then(Value::as_u64)
                    .and_then(|at| usize::try_from(at).ok())
                    .unwrap_or(0)
            };
            let Some(switched) = tree.files.get(file.strip_prefix(&tree.root).unwrap_or(file))
            else {
                continue;
            };
            whose = switched.whose(&(number("byte_start")..number("byte_end")));
            if !whose.is_empty() {
                break;
            }
        }
        // One change is wrong in itself; what else is refused may be the switch's fault.
        let is_sure = whose.len() == 1 && OF_A_CHANGE.contains(&code.as_str());
        for number in whose {
            refused.entry(number).or_insert_with(|| is_sure.then(|| code.clone()));
        }
    }
    refused
}

fn rendered(messages: &[Value]) -> String {
    let errors = messages.iter().filter(|message| is_error(message));
    errors.filter_map(|message| text(message, "/message/rendered")).take(5).collect()
}

fn programs(messages: &[Value]) -> Vec<Program> {
    messages
        .iter()
        .filter(|message| message.pointer("/profile/test").and_then(Value::as_bool) == Some(true))
        .filter_map(|message| {
            let manifest = Path::new(text(message, "/manifest_path")?);
            Some(Program {
                name: text(message, "/target/name")?.to_owned(),
                path: PathBuf::from(text(message, "/executable")?),
                folder: manifest.parent()?.to_owned(),
            })
        })
        .collect()
}
