//! The commands to a running bridge.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::process::{Command, Stdio};

use program::bridge::{Bridge, OPS_TOKEN, TOKEN, arrived, say, wait_for, with_dead_letter};
use program::{cloud, run};
use serde_json::json;

#[track_caller]
fn said(bridge: &Bridge, arguments: &[&str]) -> String {
    let run = bridge.ops(arguments);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    run.stdout
}

#[test]
fn an_operator_sees_what_waits_and_decides() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (bridge, letter) = with_dead_letter(&cloud, folder.path());
    let status = said(&bridge, &["status"]);
    assert!(status.starts_with("running; version=") && status.contains("name=sms"), "{status}");
    assert!(status.contains("\n  store kind=sqlite up=true due_lanes="), "{status}");
    let counted =
        || said(&bridge, &["status"]).contains("\n  dead letters refused=1").then_some(());
    wait_for("the letter is counted", counted);
    let probe = run(&[("LP_BRIDGE_OPS", bridge.operations())], &["bridge", "ready"]);
    assert_eq!(
        (probe.code, &*probe.stdout),
        (Some(0), "ready; started=true draining=false store=true\n")
    );
    let instances = || Some(said(&bridge, &["instances"])).filter(|all| all.contains("asked=true"));
    let instances = wait_for("the instance", instances);
    assert!(instances.starts_with("id=") && instances.contains(" version="), "{instances}");
    let host = Command::new("uname").arg("-n").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap();
    assert!(instances.contains(&format!(" host={} ", host.trim())), "{instances}");
    let lanes = said(&bridge, &["lanes", "--gateway", "sms"]);
    assert!(lanes.contains("kind=consumer key=sms:ada gateway=sms"), "{lanes}");
    assert_eq!(said(&bridge, &["lanes", "--consumer", "nobody"]), "");
    assert_eq!(said(&bridge, &["lanes", "--limit", "1"]).lines().count(), 1);

    let letters = said(&bridge, &["dead-letters", "--reason", "refused"]);
    assert!(letters.starts_with(&format!("id={letter} reason=refused gateway=sms consumer=ada")));
    assert!(!letters.contains("On its way."), "{letters}");
    assert!(said(&bridge, &["dead-letters", "--body"]).contains("On its way."));
    let outbox = said(&bridge, &["outbox", "ada"]);
    assert!(
        outbox.starts_with("conversation id=") && outbox.contains("id=SM1 status="),
        "{outbox}"
    );

    // It waits while the gateway is paused, and is refused again afterwards.
    said(&bridge, &["pause", "sms"]);
    assert!(said(&bridge, &["status"]).contains("paused=true"));
    said(&bridge, &["replay", &letter]);
    wait_for("the replay", || said(&bridge, &["dead-letters"]).is_empty().then_some(()));
    let again = bridge.ops(&["replay", &letter]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("status 409"), "{}", again.stderr);
    said(&bridge, &["resume", "sms"]);
    assert_eq!(bridge.dead_letter(), letter);

    // A conversation that an operator names is used.
    let id = cloud.with(|sandbox| sandbox.conversations().next().unwrap().id.clone());
    assert!(said(&bridge, &["adopt", "ada", &id]).contains("becomes the conversation of ada"));
    let message = json!({"id": "SM2", "consumer": "ada", "text": "Still there?"});
    assert_eq!(bridge.post(&message), 202);
    wait_for("the message", || (arrived(&cloud).len() == 2).then_some(()));
    said(&bridge, &["forget", "ada"]);
    let nobody = said(&bridge, &["outbox", "nobody"]);
    assert_eq!(nobody, "no conversation; queued=0; nothing is known of a consumer nobody\n");
    assert!(!outbox.contains("nothing is known"), "{outbox}");
    let forgotten =
        || said(&bridge, &["outbox", "ada"]).starts_with("no conversation").then_some(());
    wait_for("the end of the record", forgotten);
}

#[test]
fn a_refusal_says_what_to_change() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &[]);
    let url = bridge.operations().to_owned();
    let token = ("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN);
    for (environment, arguments, code, why) in [
        (
            &[("LP_BRIDGE_OPS", &*url)][..],
            &["status"][..],
            2,
            "set LP_BRIDGE_OPS_TOKEN or --ops-token-file",
        ),
        (
            &[("LP_BRIDGE_OPS", &*url), ("LP_BRIDGE_OPS_TOKEN", TOKEN)],
            &["status"],
            1,
            "--ops-token-file",
        ),
        (
            &[("LP_BRIDGE_OPS", &*url), ("LP_BRIDGE_OPS_TOKEN", "wrong")],
            &["status"],
            1,
            "status 401",
        ),
        (
            &[("LP_BRIDGE_OPS", "127.0.0.1:8082"), token],
            &["status"],
            2,
            "the variable LP_BRIDGE_OPS: ",
        ),
        (&[("LP_BRIDGE_OPS", "http://10.0.0.7:8082"), token], &["status"], 2, "in the clear"),
        (
            &[token],
            &["status", "--ops", "http://127.0.0.1:9/"],
            1,
            "no bridge answers at http://127.0.0.1:9",
        ),
        (&[], &["ready", "--ops", "http://127.0.0.1:9/"], 1, "no bridge answers"),
        (&[("LP_BRIDGE_OPS", &*url), token], &["pause", "chat"], 1, "no gateway of this name"),
        (&[("LP_BRIDGE_OPS", &*url), token], &["replay", "../x y"], 1, "status 409"),
        (&[("LP_BRIDGE_OPS", &*url), token], &["adopt", "ada", ""], 1, "status 422"),
        (
            &[("LP_BRIDGE_OPS", &*url), token],
            &["outbox", "ada", "--gateway", "chat"],
            1,
            "status 422",
        ),
    ] {
        let refused = run(environment, &[&["bridge"], arguments].concat());
        assert_eq!(refused.code, Some(code), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
        assert!(!refused.stderr.contains(OPS_TOKEN) && !refused.stderr.contains(TOKEN));
        assert_eq!((refused.stdout.as_str(), refused.stderr.lines().count()), ("", 1));
    }
}

#[test]
fn operators_settle_and_are_told_known_names() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (bridge, _) = with_dead_letter(&cloud, folder.path());
    for (arguments, known) in [
        (&["lanes", "--gateway", "nope"][..], "there are sms"),
        (&["dead-letters", "--gateway", "nope"], "there are sms"),
        (&["dead-letters", "--reason", "bogus"], "refused"),
    ] {
        let refused = bridge.ops(arguments);
        assert!(refused.code == Some(2) && refused.stderr.contains(known), "{}", refused.stderr);
    }
    for decision in ["sent", "resend", "drop"] {
        let settled = said(&bridge, &["settle", "ada", "SM1", decision]);
        assert!(settled.starts_with("SM1 ") && settled.contains("if it is held"), "{settled}");
    }
    let unknown = bridge.ops(&["settle", "ada", "SM1", "perhaps"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("resend"), "{}", unknown.stderr);
}

#[test]
fn many_letters_are_put_back_and_some_are_deleted() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (bridge, first) = with_dead_letter(&cloud, folder.path());
    for text in ["Two.", "Three.", "Four."] {
        say(&cloud, text);
    }
    let letters =
        || said(&bridge, &["dead-letters"]).lines().map(str::to_owned).collect::<Vec<_>>();
    wait_for("four letters", || (letters().len() == 4).then_some(()));
    let account = cloud.with(|cloud| cloud.config().account_id().to_owned());
    let own = ["dead-letters", "--account", &account];
    assert_eq!(said(&bridge, &own).lines().count(), 4);
    assert_eq!(said(&bridge, &["dead-letters", "--account", "11111111"]), "");
    // A variable for other commands hides nothing.
    let environment = [
        ("LP_BRIDGE_OPS", bridge.operations()),
        ("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN),
        ("LP_ACCOUNT_ID", "11111111"),
    ];
    assert_eq!(run(&environment, &["bridge", "dead-letters"]).stdout.lines().count(), 4);

    for (arguments, why) in [
        (&["replay"][..], "an id is wanted, a filter such as --reason, or --all"),
        (&["replay", "--all"], "--yes does it without a question"),
        (&["replay", "--all", "--reason", "refused", "--yes"], "contradict"),
        (&["replay", &first, "--all"], "cannot be used with"),
        (&["replay", "--gateway", "nope", "--yes"], "there are sms"),
        (&["dead-letters", "delete"], "required"),
    ] {
        let refused = bridge.ops(arguments);
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{arguments:?}");
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
    }
    assert_eq!(letters().len(), 4);
    assert!(
        said(&bridge, &["replay", "--reason", "expired", "--yes"]).starts_with("0 dead letters")
    );

    // They wait for the gateway, so that none is a letter again.
    said(&bridge, &["pause", "sms"]);
    let put_back = said(&bridge, &["replay", "--account", &account, "--limit", "1", "--yes"]);
    assert_eq!(put_back, "1 dead letter put back\n");
    wait_for("the oldest is put back", || (letters().len() == 3).then_some(()));
    assert!(letters().iter().all(|line| !line.contains(&format!("id={first} "))));
    let id = letters()[0].split([' ', '=']).nth(1).unwrap().to_owned();
    for command in [&["replay"][..], &["dead-letters", "delete"][..]] {
        let of_another = [command, &[&id[..], "--account", "11111111"][..]].concat();
        assert_eq!(bridge.ops(&of_another).code, Some(1), "{command:?}");
    }
    let deleted = bridge.ops(&["dead-letters", "delete", "nothing", &id]);
    assert_eq!(deleted.code, Some(1), "{}", deleted.stdout);
    assert!(deleted.stdout.contains(&format!("{id} is deleted")), "{}", deleted.stdout);
    assert!(deleted.stderr.contains("1 of 2 were refused"), "{}", deleted.stderr);
    wait_for("it is deleted", || (letters().len() == 2).then_some(()));
    assert_eq!(said(&bridge, &["replay", "--all", "--yes"]), "2 dead letters put back\n");
    wait_for("all are put back", || letters().is_empty().then_some(()));
}

/// What a command prints on a terminal of this width.
fn on_terminal(bridge: &Bridge, columns: u16, arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_lp-connector");
    let line = format!("stty cols {columns}; {program} bridge {}", arguments.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_clear().env("PATH", "/usr/bin:/bin");
    script.env("LP_BRIDGE_OPS", bridge.operations()).env("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN);
    let ran = script.env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap().replace("\r\n", "\n");
    assert_eq!(ran.status.code(), Some(0), "{text}");
    text
}

#[test]
fn a_list_is_a_table_on_a_terminal_alone() {
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let (bridge, letter) = with_dead_letter(&cloud, folder.path());
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `script` to make a terminal");
        return;
    }
    wait_for("the instance", || said(&bridge, &["instances"]).contains("asked=true").then_some(()));
    for (arguments, titles, cell) in [
        (&["instances"][..], "ID HOST VERSION UP LANES SILENT ASKED", "yes"),
        (&["lanes"], "KIND KEY GATEWAY", "sms:ada"),
        (&["dead-letters"], "ID REASON GATEWAY CONSUMER", "refused"),
        (&["outbox", "ada"], "ID STATUS", "SM1"),
        (&["status"], "NAME ACCOUNT", "sms"),
    ] {
        let piped = said(&bridge, arguments);
        for columns in [200, 70] {
            let table = on_terminal(&bridge, columns, arguments);
            let width = table.lines().map(|line| line.chars().count()).max();
            let head = table.lines().find(|line| {
                line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(titles)
            });
            let is_list = !matches!(arguments[0], "outbox" | "status");
            assert!(!is_list || width <= Some(usize::from(columns)), "{columns}: {table}");
            assert!(head.is_some() && table.contains(cell), "{arguments:?} {titles}: {table}");
            assert!(is_list || table.lines().next() == piped.lines().next(), "{table} {piped}");
            assert!(!is_list || !table.contains("id="), "{table}");
        }
        assert!(piped.contains('=') && !piped.contains(titles), "{piped}");
    }
    // What a message says is not cut.
    let whole = on_terminal(&bridge, 60, &["dead-letters", "--body"]);
    assert!(whole.contains(&letter) && whole.contains("On its way."), "{whole}");
    for (arguments, none) in [
        (&["lanes", "--consumer", "nobody"][..], "no lane"),
        (&["dead-letters", "--reason", "expired"], "no dead letter"),
    ] {
        assert!(on_terminal(&bridge, 80, arguments).contains(none), "{arguments:?}");
        assert_eq!(said(&bridge, arguments), "");
    }
}
