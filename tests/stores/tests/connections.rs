//! The ways to a PostgreSQL server: over a pool, over TLS, past servers that are dead or cannot be written.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::cell::Cell;
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Entry, LaneId, LaneKind, Request, Store, StoreError, StoreErrorKind as Kind,
};
use lp_connector_core::id::AccountId;
use lp_connector_postgres::{Postgres, PostgresOptions};
use lp_connector_stores::{CASES, Cluster, Pooler, PostgresEngine, Session, broken, storm};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

fn append(store: &Postgres) -> Result<Answer, StoreError> {
    let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
    store.perform(Request::Append(vec![Entry { lane, body: vec![1] }]))
}

/// The error of a store that must not be opened.
fn refused(connected: Result<Postgres, StoreError>) -> StoreError {
    connected.unwrap_err()
}

#[test]
fn postgres_behind_a_pool_in_transaction_mode_keeps_all_laws() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    // Users without any right but to a schema of their own.
    let users: Vec<String> = (0..=CASES.len()).map(|number| format!("u{number}")).collect();
    for user in &users {
        let sql = format!("CREATE ROLE {user} LOGIN; CREATE SCHEMA AUTHORIZATION {user}");
        cluster.sql(&sql).unwrap();
    }
    let Some(pooler) = Pooler::start(&cluster, &users).unwrap() else { return };
    let next = Cell::new(0);
    let found = broken(&|| {
        let user = &users[next.replace(next.get() + 1)];
        let direct = cluster.url().replace("postgres@", &format!("{user}@"));
        Box::new(PostgresEngine::through(&pooler.url(user), &direct))
    });
    assert_eq!(found, Vec::<&str>::new());
    let url = pooler.url(users.last().unwrap());
    let connect = || PostgresOptions::default().connections(4).connect(&url).unwrap();
    assert!(storm(&[connect(), connect()]).is_empty());
    // Eight connections of the stores were two of the server.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'u".to_owned();
    let count = cluster.sql(&format!("{sessions}{}'", CASES.len())).unwrap();
    assert!(count[0].parse::<u32>().unwrap() <= 2, "{count:?}");
}

#[test]
fn a_lock_of_another_program_is_waited_for_a_while() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let options = PostgresOptions::default().time_limit(Duration::from_secs(300));
    let store = options.connect(&cluster.url()).unwrap();
    append(&store).unwrap();
    let other = Session::connect(&cluster.url());
    other.run("BEGIN; SELECT * FROM lp_lane FOR UPDATE");
    let error = append(&store).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    // The server ended the wait, and not this program, which would leave a transaction behind.
    assert!(error.to_string().contains("55P03"), "{error}");
    other.run("ROLLBACK");
    append(&store).unwrap();
}

#[test]
fn one_locked_lane_fails_its_own_append_alone() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let options = PostgresOptions::default().connections(1).time_limit(Duration::from_secs(300));
    let store = options.connect(&cluster.url()).unwrap();
    append(&store).unwrap();
    let other = Session::connect(&cluster.url());
    other.run("BEGIN; SELECT * FROM lp_lane FOR UPDATE");
    let (sender, answers) = std::sync::mpsc::channel();
    // The first may go alone. The others wait for it, and go together.
    for name in ["bob", "cyd", "ada", "dan", "eve"] {
        let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, name);
        let sender = sender.clone();
        let reply = move |answer: Result<_, _>| {
            let _ = sender.send((name, answer.is_ok()));
        };
        store.submit(Request::Append(vec![Entry { lane, body: vec![1] }]), Box::new(reply));
    }
    drop(sender);
    let mut refused: Vec<_> = answers.iter().filter(|(_, is_ok)| !is_ok).collect();
    refused.sort();
    assert_eq!(refused, [("ada", false)]);
}

#[test]
fn a_host_that_says_nothing_is_passed_over() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    // It takes connections, as one whose server is frozen does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        silent.local_addr().unwrap().port(),
        cluster.port()
    );
    let options = PostgresOptions::default().time_limit(Duration::from_secs(30));
    append(&options.connect(&url).unwrap()).unwrap();
}

#[test]
fn a_server_is_looked_at_again_when_it_is_connected_anew() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let store = PostgresOptions::default().connections(1).connect(&cluster.url()).unwrap();
    append(&store).unwrap();
    cluster.sql("ALTER SYSTEM SET full_page_writes = off").unwrap();
    cluster.sql("SELECT pg_reload_conf()").unwrap();
    while cluster.sql("SHOW full_page_writes").unwrap() != ["off"] {
        std::thread::sleep(Duration::from_millis(10));
    }
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    cluster.sql(end).unwrap();
    let reason = (0..100).find_map(|_| {
        let error = append(&store).err()?;
        // The request itself is as good as before.
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        error.to_string().contains("full_page_writes").then_some(error)
    });
    assert!(reason.is_some());
}

#[test]
fn the_host_that_can_be_written_is_found_and_found_again() {
    let (Some(one), Some(other)) = (Cluster::create().unwrap(), Cluster::create().unwrap()) else {
        return;
    };
    drop(Postgres::connect(&other.url()).unwrap());
    let may_write = |cluster: &Cluster, may: bool| {
        let value = if may { "off" } else { "on" };
        cluster.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).unwrap();
        cluster.sql("SELECT pg_reload_conf()").unwrap();
        // A session reads the change between two statements.
        while cluster.sql("SHOW default_transaction_read_only").unwrap() != [value] {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    may_write(&other, false);
    // The first port is nobody's.
    let url = format!(
        "postgres://postgres@127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        other.port(),
        one.port()
    );
    let store = PostgresOptions::default().connections(1).connect(&url).unwrap();
    append(&store).unwrap();
    may_write(&one, false);
    may_write(&other, true);
    // Its session hears of that between two requests.
    let mut answers = (0..400).map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        append(&store)
    });
    let error = answers.find_map(Result::err).unwrap();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(answers.any(|answer| answer.is_ok()));
    assert_eq!(other.sql("SELECT count(*) FROM lp_entry").unwrap(), ["1"]);
}

/// A certificate authority, and a certificate of it for a name: both as PEM, with the key.
fn certificate(name: &str) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let signed = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&own, &issuer);
    (authority, signed.unwrap().pem(), own.serialize_pem())
}

#[test]
fn a_server_is_trusted_by_its_certificate_no_secret_is_shown() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let sql = |sql: &str| cluster.sql(sql).unwrap();
    sql("CREATE ROLE lp LOGIN PASSWORD 'hunter2'; CREATE SCHEMA AUTHORIZATION lp");
    let hba = sql("SHOW hba_file").remove(0);
    let rules = "host all postgres 127.0.0.1/32 trust\nhostssl all lp 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(hba, rules).unwrap();
    let install = |certificate: &str, key: &str| {
        let certificate = cluster.write("server.crt", certificate).unwrap();
        let key = cluster.write("server.key", key).unwrap();
        sql(&format!("ALTER SYSTEM SET ssl_cert_file = '{}'", certificate.display()));
        sql(&format!("ALTER SYSTEM SET ssl_key_file = '{}'", key.display()));
        sql("ALTER SYSTEM SET ssl = on");
        sql("SELECT pg_reload_conf()");
        while sql("SHOW ssl") != ["on"] {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let (authority, signed, key) = certificate("localhost");
    install(&signed, &key);
    let url = |password: &str, mode: &str| {
        let port = cluster.port();
        format!("postgres://lp:{password}@localhost:{port}/postgres?sslmode={mode}")
    };
    let connect = |authority: &str, url: &str| {
        PostgresOptions::default().extra_ca_pem(authority).connect(url)
    };

    for mode in ["require", "verify-full", "verify-ca", "prefer"] {
        let store = connect(&authority, &url("hunter2", mode)).unwrap();
        append(&store).unwrap();
        let sealed = "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE usename = 'lp'";
        assert_eq!(sql(sealed), ["t"], "{mode}");
        assert!(!format!("{store:?}").contains("hunter2"));
    }

    let (foreign, ..) = certificate("localhost");
    let mut errors = vec![
        (Kind::Denied, "certificate", refused(connect(&foreign, &url("hunter2", "require")))),
        (Kind::Denied, "certificate", refused(connect("", &url("hunter2", "require")))),
        (Kind::Denied, "28000", refused(connect(&authority, &url("hunter2", "disable")))),
        (Kind::Denied, "28P01", refused(connect(&authority, &url("hunter2x", "require")))),
        (Kind::Denied, "cannot be read", refused(connect(&authority, &url("hunter2", "hunter2")))),
    ];
    // A certificate of the right authority for another name.
    let (authority, signed, key) = certificate("db.example");
    install(&signed, &key);
    let of_another = loop {
        // The server reads its files anew for those who connect after it was told.
        match connect(&authority, &url("hunter2", "require")) {
            Err(error) if !error.to_string().contains("UnknownIssuer") => break error,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    errors.push((Kind::Denied, "certificate", of_another));
    for (kind, words, error) in errors {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn an_error_quotes_no_row() {
    let Some(cluster) = Cluster::create().unwrap() else { return };
    let store = PostgresOptions::default().connect(&cluster.url()).unwrap();
    cluster.sql("ALTER TABLE lp_lane ADD CHECK (key NOT LIKE '+%')").unwrap();
    let account = AccountId::new("91827364").unwrap();
    let lane = LaneId::new(account, LaneKind::Consumer, "+41790000001");
    let append = Request::Append(vec![Entry { lane, body: vec![1] }]);
    let error = store.perform(append).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    let shown = error.to_string();
    assert!(shown.contains("23514") && !shown.contains("+4179"), "{shown}");
}
