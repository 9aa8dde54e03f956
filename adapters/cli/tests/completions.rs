//! Completions and manual pages.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;

use program::{CONFIG, cloud, run};

/// What a shell gets for the last of these words.
fn candidates(shell: &str, words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let asking = [
        ("LP_CONNECTOR_COMPLETE", shell),
        ("_CLAP_IFS", "\n"),
        ("_CLAP_COMPLETE_INDEX", &index),
        ("LP_CONFIG_FILE", CONFIG),
    ];
    let answer = run(&asking, &[&["--"], words].concat());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let printed = run(&[], &["completions", shell]);
        assert_eq!(printed.code, Some(0));
        // The script asks the program.
        assert!(printed.stdout.contains("LP_CONNECTOR_COMPLETE"), "{shell}");
        let commands = candidates(shell, &["lp-connector", "conv"]);
        assert!(commands.iter().any(|one| one.starts_with("converse")), "{shell}: {commands:?}");
    }
}

#[test]
fn values_are_completed() {
    for (words, expected) in [
        (&["--profile", ""][..], &["pigeon"][..]),
        (&["profile", "show", "p"], &["pigeon"]),
        (&["sandbox", "--fault", "se"], &["send="]),
        (
            &["sandbox", "--fault", "send:1-2=revoke"],
            &["send:1-2=revoke-app", "send:1-2=revoke-consumer"],
        ),
        (
            &["sandbox", "--fault", "webhook=d"],
            &["webhook=delay:2s", "webhook=drop", "webhook=duplicate"],
        ),
        (&["manifest", "explain", "retention"], &["retention_time"]),
        (&["domains", "async"], &["asyncMessagingEnt"]),
        (&["webhook", "send", "--preset", "card"], &["card"]),
        (&["webhook", "sign", "--signature", "sha256-h"], &["sha256-hex"]),
    ] {
        let found = candidates("bash", &[&["lp-connector"], words].concat());
        assert_eq!(found, expected, "{words:?}");
    }
    // Options that a command does not use are not offered.
    let options = candidates("bash", &["lp-connector", "manifest", "check", "--"]);
    assert!(options.contains(&"--json".to_owned()), "{options:?}");
    assert!(!options.contains(&"--account".to_owned()), "{options:?}");
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man1");
    let written = run(&[], &["man", "--to", to.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let pages: Vec<_> = fs::read_dir(&to).unwrap().map(|page| page.unwrap().path()).collect();
    assert!(
        written.stdout.starts_with(&format!("{} pages in ", pages.len())),
        "{}",
        written.stdout
    );
    assert!(pages.len() > 40, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for part in [".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH OPTIONS\n"] {
            assert!(text.contains(part), "{part} {}", page.display());
        }
    }
    let one = run(&[], &["man", "webhook", "send"]).stdout;
    assert_eq!(one, fs::read_to_string(to.join("lp-connector-webhook-send.1")).unwrap());
    assert!(one.contains("\\-\\-preset") && !one.contains("\\-\\-deadline"), "{one}");
    let none = run(&[], &["man", "webhook", "sent"]);
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("webhook sent"), "{}", none.stderr);
}

#[test]
fn a_question_of_the_shell_sends_nothing() {
    let server = cloud(&[]);
    let at = program::settings(&server);
    let mut asking: Vec<_> = at.iter().map(|(name, value)| (*name, &**value)).collect();
    asking.extend([("LP_CONNECTOR_COMPLETE", "bash"), ("_CLAP_COMPLETE_INDEX", "2")]);
    run(&asking, &["--", "lp-connector", "token", ""]);
    let all = lp_connector_sandbox::Endpoint::ALL;
    assert!(all.iter().all(|endpoint| server.requests(*endpoint) == 0));
}
