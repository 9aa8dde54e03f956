//! The configuration of the bridge: its layers, its errors, and what is shown of it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use program::{Run, run};
use serde_json::Value;

const APP_SECRET: &str = "n3v3r-sh0wn";
const TOKEN: &str = "lpb_k3rW0b2Jm5s7uV1xY4zA6cE8gI0kM2oQ4sU6wY8aC1e";
const OPS_TOKEN: &str = "lpb_b7Qe2Hn4p6r8tZ0xW3yC5dF7gJ9kL1mN3oP5qR7sT9u";
const SIGNING: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SAMPLE: &str = include_str!("../docs/bridge.toml");

/// A folder with the sample, and the secrets that it names.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for (name, secret) in [
        ("lp-client", APP_SECRET),
        ("sms-token", TOKEN),
        ("ops-token", OPS_TOKEN),
        ("sms-whsec", SIGNING),
    ] {
        write_private(&secrets.join(name), &format!("{secret}\n"));
    }
    fs::write(folder.path().join("bridge.toml"), text).unwrap();
    folder
}

fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn check(folder: &tempfile::TempDir, environment: &[(&str, &str)], more: &[&str]) -> Run {
    let file = folder.path().join("bridge.toml");
    let arguments = ["--json", "bridge", "config", "check", "--config", file.to_str().unwrap()];
    let run = run(environment, &[&arguments[..], more].concat());
    for secret in [APP_SECRET, TOKEN, OPS_TOKEN, SIGNING] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{}", run.stdout);
    }
    run
}

/// The texts of the problems of this severity.
fn problems(run: &Run, severity: &str) -> Vec<String> {
    let all = run.events().into_iter();
    let problems =
        all.filter(|one| one["event"] == "config_problem" && one["severity"] == severity);
    problems.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn setting(run: &Run, path: &str) -> Value {
    run.events()
        .into_iter()
        .find(|one| one["setting"] == path && one["event"] == "setting")
        .unwrap()
}

#[test]
fn the_sample_is_a_whole_configuration() {
    let checked = check(&folder(SAMPLE), &[], &[]);
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    assert_eq!(problems(&checked, "warning"), [""; 0]);
    // What it says of the defaults is so.
    let lines = SAMPLE.lines().map(|line| {
        let text = line.strip_prefix("# ").unwrap_or(line);
        let is_setting = text.contains(" = ") || text.starts_with('[');
        let others = [
            "store_password_file",
            "store_ca_file",
            "store_connections",
            "store_migrate",
            "accept_loss_on_failover",
            "store_key_file",
            "store_old_key_files",
            "old_client_secret_files",
            "ca_file",
            "trust_suffixes",
            "brand",
            "rate",
            "public_url",
            "allowed_hosts",
            "urgency",
            "language",
        ];
        let is_other = others.iter().any(|name| text.starts_with(&format!("{name} =")));
        if is_setting && !is_other { text } else { line }
    });
    let whole = folder(&format!("{}\n", lines.collect::<Vec<_>>().join("\n")));
    let written = check(&whole, &[], &[]);
    assert_eq!(written.code, Some(0), "{}", written.stdout);
    let values = |run: &Run| {
        let settings = run.events().into_iter().filter(|one| one["event"] == "setting");
        let values = settings.filter(|one| one["setting"] != "store");
        values.map(|one| (one["setting"].clone(), one["value"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&written), values(&checked));
    let from_defaults = written.events().iter().filter(|one| one["source"] == "default").count();
    assert_eq!(from_defaults, 0, "{}", written.stdout);
}

#[test]
fn an_option_outranks_a_variable_and_that_the_file() {
    let one = folder(&format!("{SAMPLE}\n[log]\nlevel = \"warn\"\n"));
    let variable = ("LP_BRIDGE__LOG__LEVEL", "error");
    for (environment, options, value, source) in [
        (&[][..], &[][..], "warn", "file"),
        (&[variable], &[], "error", "env"),
        (&[variable], &["--log-level", "trace"], "trace", "flag"),
        (&[], &["-v"], "debug", "flag"),
    ] {
        let checked = check(&one, environment, options);
        let level = setting(&checked, "log.level");
        assert_eq!((&level["value"], &level["source"]), (&value.into(), &source.into()));
    }
    let plain = check(&folder(SAMPLE), &[], &[]);
    assert_eq!(setting(&plain, "log.level")["source"], "default");
    // The older variables, their new names over them, and the options of the other commands.
    let older = ("LP_ACCOUNT_ID", "111");
    let newer = ("LP_BRIDGE__LIVEPERSON__ACCOUNT", "222");
    for (environment, options, value) in [
        (&[older][..], &[][..], "111"),
        (&[older, newer], &[], "222"),
        (&[newer, older], &["--account", "333"], "333"),
    ] {
        let account = setting(&check(&one, environment, options), "liveperson.account");
        assert_eq!(account["value"], value);
    }
    // A secret in a variable counts more than a file that the file names, whichever form it has.
    let secret = [("LP_CLIENT_SECRET", APP_SECRET)];
    let checked = check(&one, &secret, &[]);
    assert_eq!(setting(&checked, "liveperson.client_secret")["place"], "LP_CLIENT_SECRET");
    let file = one.path().join("secrets/lp-client");
    let named = [("LP_CLIENT_SECRET_FILE", file.to_str().unwrap())];
    let place = setting(&check(&one, &named, &[]), "liveperson.client_secret")["place"].clone();
    assert_eq!(place, "LP_CLIENT_SECRET_FILE");
}

#[test]
fn all_of_it_can_be_in_variables() {
    let list = "LP_BRIDGE__GATEWAY__SMS__DELIVER__TYPES";
    let environment = [
        ("LP_BRIDGE__STORE", "bridge.db"),
        ("LP_ACCOUNT_ID", "91827364"),
        ("LP_CLIENT_ID", "0a1b2c3d"),
        ("LP_CLIENT_SECRET", APP_SECRET),
        ("LP_BRIDGE__OPERATIONS_TOKENS", OPS_TOKEN),
        ("LP_BRIDGE__GATEWAY__SMS__TOKENS", TOKEN),
        ("LP_BRIDGE__GATEWAY__SMS__DELIVER__SECRETS", SIGNING),
        ("LP_BRIDGE__GATEWAY__SMS__DELIVER__URL", "http://[::1]:9000/bridge"),
        ("LP_BRIDGE__GATEWAY__SMS__ANSWERS_BY_NUMBER", "false"),
        ("LP_BRIDGE__GATEWAY__SMS__DELIVER__CONCURRENCY", "8"),
        (list, "message.created, typing.changed"),
    ];
    let empty = folder("");
    let checked = check(&empty, &environment, &[]);
    assert_eq!(checked.code, Some(0), "{}", checked.stdout);
    let types = setting(&checked, "gateway.sms.deliver.types");
    assert_eq!(types["value"], serde_json::json!(["message.created", "typing.changed"]));
    assert_eq!(types["place"], list);
    assert_eq!(setting(&checked, "gateway.sms.answers_by_number")["value"], false);
    assert_eq!(setting(&checked, "gateway.sms.consumer_prefix")["value"], "sms:");
}

#[test]
fn a_name_that_is_not_known_is_an_error_with_the_right_one() {
    for (from, to, expected) in [
        (
            "\nurl =",
            "\nuri =",
            "gateway.sms.deliver.uri: there is no such setting; did you mean gateway.sms.deliver.url?",
        ),
        ("skill =", "skil =", "did you mean gateway.sms.open.skill?"),
        ("[listen]", "[lisen]", "lisen: there is no such setting; did you mean listen?"),
        ("store =", "stor =", "stor: there is no such setting; did you mean store?"),
        ("token_files =", "tokens_file =", "did you mean operations_token_files?"),
        ("store =", "level = \"info\"\nstore =", "did you mean log.level?"),
        ("store =", "listen = 7\nstore =", "duplicate key"),
        ("store =", "store = \"a.db\"\nstore =", "duplicate key"),
        (
            "[listen]",
            "[log]\nlevel = \"loud\"\n[listen]",
            "there are error, warn, info, debug, trace",
        ),
        (
            "[listen]",
            "[drain]\ndelay = 5\n[listen]",
            "drain.delay: a text is wanted, and this is a number",
        ),
        ("[listen]", "[unsettled]\nafter = \"0s\"\n[listen]", "expected more than zero"),
        ("[gateway.sms]", "[gateway.SMS]\n[gateway.sms]", "gateway.SMS: a name has"),
        ("http://127.0.0.1:9000/bridge", "http://10.0.0.7/x", "needs plain_http = true"),
        (
            "http://127.0.0.1:9000/bridge",
            "http://localhost.evil.example/x",
            "needs plain_http = true",
        ),
        ("http://127.0.0.1:9000/bridge", "smtp://x", "is no URL"),
        ("sqlite:bridge.db", "postgres:lp", "postgres://USER@HOST:PORT/DATABASE is wanted"),
        ("sqlite:", "mysql://lp@db/", "sqlite:FILE or postgres://USER@HOST/DATABASE is wanted"),
        (
            "\n[liveperson]",
            "\nstore_connections = 2\n[liveperson]",
            "it is for a store on PostgreSQL",
        ),
        ("client_secret_file", "# no", "liveperson.client_secret: it is missing"),
        ("operations_token_files", "# no", "operations_tokens: they are missing"),
        ("secrets/sms-whsec", "secrets/sms-token", "a secret begins with whsec_"),
        ("secrets/sms-token", "secrets/lp-client", "a token has at least 32 characters"),
        ("secrets/sms-token", "secrets/none", "cannot read"),
        ("\"secrets/sms-token\"", "\"secrets\"", "it is a directory"),
        ("[liveperson]", "[brand.pigeon]", "brand.pigeon"),
    ] {
        assert!(SAMPLE.contains(from), "{from}");
        let checked = check(&folder(&SAMPLE.replacen(from, to, 1)), &[], &[]);
        if expected.is_empty() || expected.starts_with("brand") {
            assert_eq!(checked.code, Some(0), "{to}: {}", checked.stdout);
            continue;
        }
        assert_eq!(checked.code, Some(2), "{to}: {}", checked.stdout);
        let errors = problems(&checked, "error");
        assert!(errors.iter().any(|error| error.contains(expected)), "{expected}: {errors:#?}");
    }
    for (name, expected) in [
        (
            "LP_BRIDGE__GATEWAY__SMS__DELIVER__URI",
            "did you mean LP_BRIDGE__GATEWAY__SMS__DELIVER__URL?",
        ),
        ("LP_BRIDGE__LOG_LEVEL", "did you mean LP_BRIDGE__LOG__LEVEL?"),
        ("LP_BRIDGE__GATEWAY_SMS_DELIVER_URL", "two underscores for each level"),
        ("LP_BRIDGE__COLOUR", "there is no such setting"),
        ("LP_BRIDGE__GATEWAY__SMS", "there are settings below it"),
        ("LP_BRIDGE__", "there is no such setting"),
    ] {
        let checked = check(&folder(SAMPLE), &[(name, "x")], &[]);
        assert_eq!(checked.code, Some(2), "{name}: {}", checked.stdout);
        let errors = problems(&checked, "error");
        let found = |error: &String| {
            error.contains(&format!("the variable {name}: ")) && error.contains(expected)
        };
        assert!(errors.iter().any(found), "{name}: {errors:#?}");
    }
    // Others may have names that begin alike.
    let others = [("LP_BRIDGE_PORT_8080_TCP", "x"), ("LP_BRIDGE_OPS_TOKEN", "x")];
    assert_eq!(problems(&check(&folder(SAMPLE), &others, &[]), "warning"), [""; 0]);
    let doubtful = check(&folder(SAMPLE), &[("LP_BRIDGE_LOG__LEVEL", "x")], &[]);
    assert!(problems(&doubtful, "warning")[0].contains("did you mean LP_BRIDGE__LOG__LEVEL?"));
}

#[test]
fn a_secret_has_one_place_that_can_be_read() {
    let beside =
        SAMPLE.replacen("client_secret_file", "client_secret = \"x\"\nclient_secret_file", 1);
    let checked = check(&folder(&beside), &[], &[]);
    assert_eq!(checked.code, Some(2));
    assert!(problems(&checked, "error")[0].contains("it is there beside liveperson.client_secret"));
    let both = [("LP_CLIENT_SECRET", "x"), ("LP_BRIDGE__LIVEPERSON__CLIENT_SECRET_FILE", "y")];
    let checked = check(&folder(SAMPLE), &both, &[]);
    assert!(problems(&checked, "error")[0].contains("it is there beside liveperson.client_secret"));

    for (content, mode, expected) in [
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        ("a\nb\n", 0o600, "more than one line"),
    ] {
        let one = folder(SAMPLE);
        let file = one.path().join("secrets/lp-client");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let checked = check(&one, &[], &[]);
        assert_eq!(checked.code, Some(2), "{content:?}: {}", checked.stdout);
        let errors = problems(&checked, "error");
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:#?}");
        assert!(errors[0].contains("bridge.toml:"), "{errors:#?}");
    }
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for (name, value, code) in [
        ("LP_STORE_KEY", key, 0),
        ("LP_BRIDGE__STORE_KEY", key, 0),
        ("LP_STORE_KEY", "c2hvcnQ=", 2),
        ("LP_BRIDGE__STORE_OLD_KEYS", key, 2),
    ] {
        let checked = check(&folder(SAMPLE), &[(name, value)], &[]);
        assert_eq!(checked.code, Some(code), "{name}: {}", checked.stdout);
        assert!(!checked.stdout.contains(value));
    }
    let one = folder(SAMPLE);
    let file = one.path().join("secrets/lp-client");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let checked = check(&one, &[], &[]);
    assert_eq!(checked.code, Some(0));
    assert!(problems(&checked, "warning")[0].contains("every user of this machine may read it"));
}

#[test]
fn all_errors_are_told_at_once() {
    let bad = SAMPLE
        .replacen("\nurl =", "\nuri =", 1)
        .replacen("127.0.0.1:8080", "8080", 1)
        .replacen("secrets/ops-token", "secrets/none", 1);
    let one = folder(&bad);
    let file = one.path().join("bridge.toml");
    let refused = run(&[], &["bridge", "--config", file.to_str().unwrap()]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.starts_with("error: the configuration has 4 errors:\n"),
        "{}",
        refused.stderr
    );
    assert_eq!(refused.stderr.lines().count(), 5);
    for expected in
        ["deliver.uri", "listen.webhooks", "operations_token_files", "deliver.url: it is missing"]
    {
        assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
    }
    let broken = check(&folder("store = \n[x\n"), &[], &[]);
    assert!(problems(&broken, "error").iter().any(|error| error.contains("bridge.toml:1: ")));
    assert!(problems(&broken, "error").iter().any(|error| error.contains("bridge.toml:2: ")));
}

#[test]
fn an_error_of_syntax_comes_alone() {
    let run = check(&folder("store = \n[gateway.sms"), &[], &[]);
    let errors = problems(&run, "error");
    assert!(
        !errors.is_empty() && errors.iter().all(|one| one.contains("bridge.toml:")),
        "{errors:?}"
    );
}

#[test]
fn listeners_have_addresses_of_their_own() {
    let of = |gateways: &str| {
        check(
            &folder(SAMPLE),
            &[("LP_BRIDGE__LISTEN__GATEWAYS", gateways)],
            &["--listen-webhooks", "127.0.0.1:8080"],
        )
    };
    for same in ["127.0.0.1:8080", "0.0.0.0:8080"] {
        let errors = problems(&of(same), "error");
        assert!(
            errors.iter().any(|one| one.contains("port 8080 is that of listen.webhooks")),
            "{errors:?}"
        );
    }
    let (near, far) = (of("127.0.0.1:8091"), of("0.0.0.0:8091"));
    let warned = |run: &Run| {
        problems(run, "warning").iter().any(|one| one.contains("other machines reach it"))
    };
    assert!(!warned(&near) && warned(&far));
    assert!(problems(&near, "error").iter().all(|one| !one.contains("port")));
}

#[test]
fn a_store_on_postgres_shows_its_host_and_database() {
    let password = "pw-s3cr3t";
    let at = |url: &str| SAMPLE.replacen("sqlite:bridge.db", url, 1);
    let plain = folder(&at("postgres://lp@a.example:5433,b.example/lp?sslmode=require"));
    write_private(&plain.path().join("secrets/store-password"), password);
    let named = at("postgres://lp@db.example/lp").replacen(
        "# store_password_file",
        "store_password_file",
        1,
    );
    let named = folder(&named);
    write_private(&named.path().join("secrets/store-password"), password);
    let variable = ("LP_STORE", "postgres://lp:pw-s3cr3t@c.example/lp");
    for (folder, environment, shown, set) in [
        (&plain, &[][..], "postgres://a.example:5433,b.example/lp", None),
        (
            &plain,
            &[("LP_STORE_PASSWORD", password)],
            "postgres://a.example:5433,b.example/lp",
            Some("env"),
        ),
        (&named, &[], "postgres://db.example/lp", Some("file")),
        (&plain, &[variable], "postgres://c.example/lp", None),
        (
            &named,
            &[("LP_STORE", "postgres://lp@c.example/lp")],
            "postgres://c.example/lp",
            Some("file"),
        ),
    ] {
        let checked = check(folder, environment, &[]);
        assert_eq!(checked.code, Some(0), "{}", checked.stdout);
        assert_eq!(setting(&checked, "store")["value"], shown);
        let all = checked.events();
        let source = all.iter().find(|one| one["setting"] == "store_password");
        assert_eq!(source.and_then(|one| one["source"].as_str()), set);
        assert!(
            !checked.stdout.contains(password) && !checked.stdout.contains("lp@"),
            "{}",
            checked.stdout
        );
    }
    for (text, environment, options, reason) in [
        (
            at("postgres://lp:pw-s3cr3t@db/lp"),
            &[][..],
            &[][..],
            "the password has a place of its own",
        ),
        (
            at("postgres://db/lp?password=pw-s3cr3t"),
            &[],
            &[],
            "the password has a place of its own",
        ),
        (at("postgres://lp@pw-s3cr3t@db/lp"), &[], &[], "is written %40"),
        (at("postgres://lp@db:99999/lp"), &[], &[], "the URL cannot be read"),
        (at("postgres://lp@db/lp?sslmode=perhaps"), &[], &[], "the URL cannot be read"),
        (at("postgres://lp@db/lp?connect_timeout=soon"), &[], &[], "the URL cannot be read"),
        (at("postgres://lp@db/lp?ssl_mode=require"), &[], &[], "the URL cannot be read"),
        (
            SAMPLE.to_owned(),
            &[("LP_STORE", "postgres://lp:pw-s3cr3t@db:pw-s3cr3t/lp")],
            &[],
            "postgres://USER@HOST:PORT/DATABASE is wanted",
        ),
        (SAMPLE.to_owned(), &[], &["--store", variable.1], "every user of this machine sees"),
        (
            SAMPLE.to_owned(),
            &[variable, ("LP_STORE_PASSWORD", password)],
            &[],
            "one of them is enough",
        ),
        (
            SAMPLE.to_owned(),
            &[("LP_STORE_PASSWORD", password)],
            &[],
            "it is for a store on PostgreSQL",
        ),
    ] {
        let checked = check(&folder(&text), environment, options);
        assert_eq!(checked.code, Some(2), "{}", checked.stdout);
        let errors = problems(&checked, "error");
        assert!(errors.iter().any(|error| error.contains(reason)), "{reason}: {errors:#?}");
        assert!(!checked.stdout.contains(password), "{}", checked.stdout);
        assert!(!checked.stderr.contains(password), "{}", checked.stderr);
    }
}
