//! The claims about the tests, the commands that show them, and the page with what those printed last.
//!
//! `lp-connector-evidence run NAME…` runs commands and keeps what they print in `tests/evidence/figures.json`, with the
//! commit and the time that they took; `render` writes `tests/EVIDENCE.md` from it. No figure of the page is written by
//! hand: a test renders it again.
//!
//! ```
//! use lp_connector_evidence::{CLAIMS, Figures, page};
//!
//! let figures = Figures::new();
//! // A claim whose command has not run yet is an error: the page never says more than was seen.
//! assert!(page(CLAIMS, &figures).is_err());
//! ```

mod claims;
mod coverage;
mod figures;
mod limits;
mod page;
mod run;

pub use claims::CLAIMS;
pub use coverage::coverage_table;
pub use figures::{Figure, Figures};
pub use limits::limits_page;
pub use page::page;
pub use run::{Error, run};

/// What is claimed, and what shows it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The name on the command line.
    pub name: &'static str,
    /// One sentence, the heading of the page.
    pub says: &'static str,
    /// What the command does, and what is independent of the code that it tests.
    pub shown_by: &'static str,
    /// A line for `bash`, from the root of the repository.
    pub command: &'static str,
    /// Which of the lines that it prints are kept.
    pub keeps: Keeps,
}

/// Which lines of a command's output are kept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Keeps {
    /// Each line.
    All,
    /// The lines with one of these texts.
    With(&'static [&'static str]),
    /// The sums of all lines `test result: …` of `cargo test`.
    TestResults,
}

impl Keeps {
    /// The lines of `output` to keep.
    #[must_use]
    pub fn of(self, output: &str) -> Vec<String> {
        let lines = output.lines().map(str::trim_end).filter(|line| !line.is_empty());
        match self {
            Self::All => lines.map(str::to_owned).collect(),
            Self::With(texts) => lines
                .filter(|line| texts.iter().any(|text| line.contains(text)))
                .map(str::to_owned)
                .collect(),
            Self::TestResults => test_results(output).into_iter().collect(),
        }
    }
}

/// The sum of the test programs' last lines, if there is one.
fn test_results(output: &str) -> Option<String> {
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: "));
    let (mut programs, mut sums) = (0_u64, [0_u64; 3]);
    for result in results {
        programs += 1;
        for (sum, what) in sums.iter_mut().zip([" passed", " failed", " ignored"]) {
            let number =
                result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what.trim()));
            *sum += number.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0);
        }
    }
    let [passed, failed, ignored] = sums;
    (programs > 0).then(|| {
        format!("{programs} test programs: {passed} passed, {failed} failed, {ignored} ignored")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_test_programs_are_summed() {
        let output = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 4.73s\n\
            test result: FAILED. 11 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(
            Keeps::TestResults.of(output),
            ["2 test programs: 14 passed, 2 failed, 1 ignored"]
        );
        assert!(Keeps::TestResults.of("nothing ran").is_empty());
    }

    #[test]
    fn lines_with_a_text_are_kept() {
        let output = "a: caught\n\nb: SURVIVED  \n2 bugs: 1 caught\n";
        assert_eq!(
            Keeps::With(&[" bugs: ", "SURVIVED"]).of(output),
            ["b: SURVIVED", "2 bugs: 1 caught"]
        );
        assert_eq!(Keeps::All.of(output).len(), 3);
    }
}
