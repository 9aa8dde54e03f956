//! The bridge over a PostgreSQL server: that of the variables that libpq and `pg_virtualenv` use. Without one, each test
//! says so, and does nothing.

#![cfg(all(target_os = "linux", feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use program::bridge::{Bridge, OPS_TOKEN, arrived, wait_for};
use program::{cloud, run};
use serde_json::json;

const PASSWORD: &str = "s3cr3t/pw:9@%?&=";

/// A role and a database of its own.
struct Database {
    name: String,
    host: String,
    password: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// `None`, and a line that says so, if there is no server.
    fn new() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(host) = variable("PGHOST") else {
            eprintln!("skipped: there is no PostgreSQL server: set PGHOST, or use pg_virtualenv");
            return None;
        };
        let port = variable("PGPORT").unwrap_or_else(|| "5432".to_owned());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lp_{}_{number}", std::process::id());
        sql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"));
        sql(&format!("CREATE DATABASE {name} OWNER {name}"));
        let host = if host.starts_with('/') { "localhost".to_owned() } else { host };
        Some(Self { name, host: format!("{host}:{port}"), password: PASSWORD.to_owned() })
    }

    fn url(&self) -> String {
        format!("postgres://{}@{}/{}?sslmode=disable", self.name, self.host, self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        sql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        sql(&format!("DROP ROLE {}", self.name));
    }
}

fn sql(statement: &str) {
    let run = Command::new("psql").args(["-qAtX", "-d", "postgres", "-c", statement]).output();
    let run = run.unwrap();
    assert!(run.status.success(), "{statement}: {}", String::from_utf8_lossy(&run.stderr));
}

/// The settings of a bridge whose gateway is nowhere.
fn settings<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = [
        ("LP_ACCOUNT_ID", "91827364"),
        ("LP_CLIENT_ID", "0a1b2c3d"),
        ("LP_CLIENT_SECRET", "n3v3r"),
        ("LP_BRIDGE__LISTEN__WEBHOOKS", "127.0.0.1:0"),
        ("LP_BRIDGE__LISTEN__GATEWAYS", "127.0.0.1:0"),
        ("LP_BRIDGE__LISTEN__OPERATIONS", "127.0.0.1:0"),
    ];
    own.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_message_arrives_through_a_postgres_store() {
    let Some(database) = Database::new() else { return };
    let (cloud, folder) = (cloud(&[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("password");
    fs::write(&file, format!("{}\n", database.password)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let url = database.url();
    for trace in ["info", "trace"] {
        let settings = [
            ("LP_BRIDGE__STORE", ""),
            ("LP_STORE", &*url),
            ("LP_STORE_PASSWORD_FILE", file.to_str().unwrap()),
            ("LP_BRIDGE__LOG__LEVEL", trace),
        ];
        let bridge = Bridge::start(&cloud, folder.path(), "http://127.0.0.1:9/", &settings);
        let message = json!({"id": trace, "consumer": "ada", "text": "Where is my parcel?"});
        assert_eq!(bridge.post(&message), 202);
        let count = if trace == "info" { 1 } else { 2 };
        wait_for("the message", || (arrived(&cloud).len() == count).then_some(()));
        let metrics = bridge.get("/metrics").1;
        assert!(metrics.contains(",store=\"postgres\"} 1"), "{metrics}");
        let environment =
            [("LP_BRIDGE_OPS", bridge.operations()), ("LP_BRIDGE_OPS_TOKEN", OPS_TOKEN)];
        let status = run(&environment, &["--json", "bridge", "status"]);
        bridge.signal("-TERM");
        let (ended, log) = bridge.wait();
        assert_eq!(ended.code(), Some(0), "{log}");
        for shown in [&metrics, &status.stdout, &log] {
            let is_quiet = ["s3cr3t", "pw%3A9", "%70%77"].iter().all(|part| !shown.contains(part));
            assert!(is_quiet, "{shown}");
        }
    }
}

#[test]
fn a_store_that_cannot_be_used_says_what_to_do() {
    let Some(database) = Database::new() else { return };
    let url = database.url();
    let elsewhere = url.replace(&database.host, "127.0.0.1:1");
    let nothing = url.replace(&format!("/{}?", database.name), "/lp_none?");
    for (url, password, expected) in [
        (&elsewhere, Some(&*database.password), "Connection refused"),
        (&elsewhere, Some(&database.password), "is a server there"),
        (&url, Some("wr0ng-0ne"), "store_password_file or LP_STORE_PASSWORD"),
        (&url, None, "store_password_file or LP_STORE_PASSWORD"),
        (&nothing, Some(&database.password), "createdb --owner"),
    ] {
        let mut given = vec![("LP_STORE", &**url)];
        given.extend(password.map(|password| ("LP_STORE_PASSWORD", password)));
        for arguments in
            [&["bridge", "--deliver", "http://127.0.0.1:9/"][..], &["bridge", "migrate"]]
        {
            let refused = run(&settings(&given), arguments);
            assert_eq!(refused.code, Some(1), "{arguments:?} {}", refused.stderr);
            assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
            assert!(refused.stderr.contains("the store postgres://"), "{}", refused.stderr);
            assert_eq!((&*refused.stdout, refused.stderr.lines().count()), ("", 1));
            for secret in ["s3cr3t", "wr0ng", "%73%33"] {
                assert!(!refused.stderr.contains(secret), "{}", refused.stderr);
            }
        }
    }
}

#[test]
fn a_migration_says_from_which_version_to_which() {
    let Some(database) = Database::new() else { return };
    let url = database.url();
    let given = settings(&[("LP_STORE", &url), ("LP_STORE_PASSWORD", &database.password)]);
    let closed: Vec<_> =
        given.iter().copied().chain([("LP_BRIDGE__STORE_MIGRATE", "false")]).collect();
    let refused = run(&closed, &["bridge", "--deliver", "http://127.0.0.1:9/"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("bridge migrate"), "{}", refused.stderr);
    // Nothing else of the configuration is needed.
    let place = &given[6..];
    for (number, said) in [(0, "went from version 0 to "), (1, " already")] {
        let migrated = run(place, &["bridge", "migrate"]);
        assert_eq!(migrated.code, Some(0), "{number}: {}", migrated.stderr);
        assert!(migrated.stdout.contains(said), "{number}: {}", migrated.stdout);
    }
    let migrated = run(&closed, &["--json", "bridge", "migrate"]).last();
    assert_eq!(migrated["from"], migrated["to"]);
    // A program of an older release beside tables of a newer one that it cannot use.
    sql_in(&database, "INSERT INTO lp_store VALUES (9999, 9999)");
    for arguments in [&["bridge", "--deliver", "http://127.0.0.1:9/"][..], &["bridge", "migrate"]] {
        let older = run(&given, arguments);
        assert_eq!(older.code, Some(1), "{}", older.stdout);
        assert!(older.stderr.contains("Use a newer release"), "{}", older.stderr);
    }
}

fn sql_in(database: &Database, statement: &str) {
    let url = database.name.as_str();
    let run = Command::new("psql").args(["-qAtX", "-d", url, "-c", statement]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
