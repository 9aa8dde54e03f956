//! Writes the page.

use std::fmt::Write as _;

use crate::{Claim, Figures};

const HEAD: &str = "# The evidence\n\n\
    Each claim about the tests, the command that shows it, and what that printed when it last succeeded. How the\n\
    tests are made, and what else shows them, is in [README.md](README.md). This page is generated:\n\n    \
    cargo run -q --release -p lp-connector-evidence -- run NAME...   # runs these commands, and writes the page\n    \
    cargo run -q --release -p lp-connector-evidence -- run --all     # runs all of them\n\n\
    A command that fails leaves the page as it is, so a figure can be older than the code: its commit stands below it. Each\n\
    ran on Linux in a checkout that differed from its commit in nothing but the claims and this page.\n";

/// The page with these claims.
///
/// # Errors
///
/// If a claim has no figure, or the figure of another command: what must run is named.
pub fn page(claims: &[Claim], figures: &Figures) -> Result<String, String> {
    let mut page = HEAD.to_owned();
    let mut missing = Vec::new();
    for claim in claims {
        let Some(figure) = figures.get(claim.name).filter(|figure| figure.command == claim.command)
        else {
            missing.push(claim.name);
            continue;
        };
        let Claim { name, says, shown_by, command, .. } = claim;
        let seconds = match figure.seconds {
            0..180 => format!("{} s", figure.seconds),
            more => format!("{} min", more.div_ceil(60)),
        };
        let cores = match figure.cores {
            1 => "1 core".to_owned(),
            more => format!("{more} cores"),
        };
        let printed = figure.printed.join("\n");
        // A `String` takes everything.
        let _ = write!(
            page,
            "\n## {says}\n\n{shown_by}\n\n    {command}\n\n```text\n{printed}\n```\n\n\
            `{name}`: {day}, commit {commit}, {seconds} on {cores}.\n",
            day = figure.day,
            commit = figure.commit,
        );
    }
    if missing.is_empty() {
        Ok(page)
    } else {
        Err(format!("these commands have not run yet: {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Figure, Keeps};

    const CLAIM: Claim = Claim {
        name: "coo",
        says: "A pigeon coos",
        shown_by: "It is listened to.",
        command: "coo --twice",
        keeps: Keeps::All,
    };

    fn figure(command: &str) -> Figures {
        let figure = Figure {
            command: command.to_owned(),
            commit: "4711abc".to_owned(),
            day: "2026-11-26".to_owned(),
            seconds: 181,
            cores: 2,
            printed: vec!["coo".to_owned(), "coo".to_owned()],
        };
        Figures::from([("coo".to_owned(), figure)])
    }

    #[test]
    fn a_claim_has_its_command_and_what_it_printed() {
        let page = page(&[CLAIM], &figure("coo --twice")).unwrap_or_default();
        let claim = "## A pigeon coos\n\nIt is listened to.\n\n    coo --twice\n\n```text\ncoo\ncoo\n```\n\n\
            `coo`: 2026-11-26, commit 4711abc, 4 min on 2 cores.\n";
        assert!(page.ends_with(claim), "{page}");
    }

    #[test]
    fn the_figure_of_another_command_does_not_count() {
        let refused = page(&[CLAIM], &figure("coo"));
        assert_eq!(refused, Err("these commands have not run yet: coo".to_owned()));
    }
}
