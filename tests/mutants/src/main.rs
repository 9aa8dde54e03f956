//! Compiles all mutants of a package into the programs of its tests, each behind a switch, and tries them one at a time.
//!
//!     lp-connector-mutants [PART...] [--only TEXT] [--again] [--apart] [--jobs N]
//!
//! cargo-mutants says which mutants there are. `--only` tries those whose names have this text, such as a path.
//! `--again` tries those that an earlier run missed, and takes the rest from it. `--apart` also
//! tries those that can have no switch, such as a constant's, which takes half a minute each. Without a part it tries all
//! of them.

mod apart;
mod compile;
mod equivalent;
mod found;
mod listed;
mod parts;
mod run;
mod suite;
mod switch;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod trial;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use found::{Found, Outcome};
use parts::{PARTS, Part};
use switch::Number;
use table::Table;

/// Of a thousand mutants, so many may be missed.
const MISSED_IN_A_THOUSAND: usize = 10;

#[derive(Debug, Default)]
struct Options {
    parts: Vec<String>,
    only: String,
    again: bool,
    apart: bool,
    jobs: usize,
}

fn main() -> ExitCode {
    match options().and_then(|options| run_parts(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let jobs = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut options = Options { jobs, ..Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--only" => options.only = value()?,
            "--again" => options.again = true,
            "--apart" => options.apart = true,
            "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs wants a number")?,
            name if PARTS.iter().any(|part| part.name == name) => options.parts.push(argument),
            _ => {
                let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                return Err(format!(
                    "there is no part or option {argument}: the parts are {}",
                    names.join(", ")
                ));
            }
        }
    }
    Ok(options)
}

/// Tries the mutants of each part and prints the table: true if few enough are missed.
fn run_parts(options: &Options) -> Result<bool, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .map_err(|error| error.to_string())?;
    let started = Instant::now();
    let mut table = Table::default();
    let mut wrong = false;
    for part in &PARTS {
        if options.parts.is_empty() || options.parts.iter().any(|name| name == part.name) {
            wrong |= run_part(&root, part, options, &mut table)?;
        }
    }
    let missed = table.missed_in_a_thousand();
    println!("{table}");
    println!(
        "missed: at most {}.{} %, in {} s",
        missed / 10,
        missed % 10,
        started.elapsed().as_secs()
    );
    Ok(missed <= MISSED_IN_A_THOUSAND && !wrong)
}

/// Tries the mutants of a part: true if one is caught that is said to be equivalent.
fn run_part(
    root: &Path,
    part: &Part,
    options: &Options,
    table: &mut Table,
) -> Result<bool, String> {
    let mutants = listed::list(root, &part.package())?;
    let equivalent = equivalent::Equivalent::read(root, &mutants)?;
    let place = root.join("target/mutants");
    let mut tree = tree::Tree::new(root, &place.join("tree"))?;
    let mut found = Found::read(root, part.name, &mutants)?;
    let known: BTreeMap<Number, Option<String>> = found
        .outcomes
        .iter()
        .enumerate()
        .filter_map(|(number, outcome)| match outcome {
            Some(Outcome::DoesNotCompile(code)) if options.again => {
                Some((number, Some(code.clone())))
            }
            _ => None,
        })
        .collect();
    let built = compile::build(&mut tree, root, &mutants, &part.arguments(), known)?;
    let switched: HashSet<Number> =
        tree.files.values().flat_map(|file| file.numbers.clone()).collect();
    let constant: HashSet<Number> =
        tree.files.values().flat_map(|file| file.constant.clone()).collect();
    let never: HashSet<Number> = tree.files.values().flat_map(|file| file.never.clone()).collect();
    let (tests, failed) = suite::observe(&built.programs, &place, options.jobs)?;
    for name in failed {
        println!("{}: fails without a mutant, and is not asked: {name}", part.name);
    }
    let mut numbers = Vec::new();
    for (number, mutant) in mutants.iter().enumerate() {
        let Some(known) = found.outcomes.get_mut(number) else { continue };
        if let Some(Some(code)) = built.left_out.get(&number) {
            *known = Some(Outcome::DoesNotCompile(code.clone()));
        } else if never.contains(&number) {
            *known = Some(Outcome::DoesNotCompile("|| beside a let".into()));
        } else if !switched.contains(&number) {
            if !(options.again && known.as_ref().is_some_and(|known| !known.is_missed())) {
                *known = Some(Outcome::NotTried);
            }
        } else if mutant.name.contains(&options.only)
            && !(options.again && known.as_ref().is_some_and(|known| !known.is_missed()))
        {
            numbers.push(number);
        }
    }
    println!(
        "{}: {} mutants, {} with a switch, of which {} are tried with {} tests",
        part.name,
        mutants.len(),
        switched.len(),
        numbers.len(),
        tests.len()
    );
    let found = Mutex::new(found);
    let report = |number: Number, mut outcome: Outcome| -> Result<(), String> {
        let Some(mutant) = mutants.get(number) else { return Ok(()) };
        if outcome == Outcome::Unreached && constant.contains(&number) {
            outcome = Outcome::NotTried;
        }
        if outcome.is_missed() && !equivalent.names(mutant) {
            println!("{outcome:?}: {}", mutant.name);
        }
        let mut found = found.lock().map_err(|_| "a worker panicked")?;
        if let Some(known) = found.outcomes.get_mut(number) {
            *known = Some(outcome);
        }
        // A run that is stopped leaves what it found.
        if number.is_multiple_of(64) { found.write(&mutants) } else { Ok(()) }
    };
    trial::try_all(&numbers, &built.programs, &tests, options.jobs, &report)?;
    let mut found = found.into_inner().map_err(|_| "a worker panicked")?;
    if options.apart {
        let not_tried =
            |number: &Number| matches!(found.outcomes.get(*number), Some(Some(Outcome::NotTried)));
        let names: Vec<&str> = mutants
            .iter()
            .enumerate()
            .filter(|(number, mutant)| not_tried(number) && mutant.name.contains(&options.only))
            .map(|(_, mutant)| mutant.name.as_str())
            .collect();
        for (name, outcome) in apart::try_apart(root, part, &names, options.jobs)? {
            let number = mutants.iter().position(|mutant| mutant.name == name);
            if let Some(known) = number.and_then(|number| found.outcomes.get_mut(number)) {
                *known = Some(outcome);
            }
        }
    }
    found.write(&mutants)?;
    let mut wrong = false;
    for (mutant, outcome) in mutants.iter().zip(&found.outcomes) {
        let Some(outcome) = outcome else { continue };
        let is_equivalent = equivalent.names(mutant);
        table.count(mutant, outcome.column(is_equivalent));
        if is_equivalent && matches!(outcome, Outcome::Caught(_) | Outcome::OutOfTime(_)) {
            println!("said to be equivalent, and caught: {}", mutant.name);
            wrong = true;
        }
    }
    Ok(wrong)
}
