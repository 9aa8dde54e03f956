//! A PostgreSQL server under test.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lp_connector_core::bridge::store::{Answer, Request, Store, StoreError, StoreFacts};
use lp_connector_postgres::{Postgres, PostgresOptions};

use crate::{Engine, PlantedSql, Session, TestClock};

/// A server for tests: that of `LP_TEST_POSTGRES`, a URL, or of the variables that libpq and `pg_virtualenv` use.
#[derive(Clone, Debug)]
pub struct PostgresServer {
    url: String,
}

/// Each engine has a schema of its own.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl PostgresServer {
    /// The server of the environment. `None`, and a line that says so, if there is none.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        if let Some(url) = variable("LP_TEST_POSTGRES") {
            return Some(Self { url });
        }
        let Some(host) = variable("PGHOST") else {
            println!("skipped: there is no PostgreSQL server: set LP_TEST_POSTGRES");
            return None;
        };
        let word = |name: &str, standard: &str| variable(name).unwrap_or_else(|| standard.into());
        let (port, user) = (word("PGPORT", "5432"), word("PGUSER", "postgres"));
        let (password, name) = (word("PGPASSWORD", ""), word("PGDATABASE", &user));
        let parts = [
            ("host", &host),
            ("port", &port),
            ("user", &user),
            ("password", &password),
            ("dbname", &name),
        ];
        let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let url: Vec<String> = parts.map(|(name, value)| format!("{name}='{value}'")).collect();
        Some(Self { url: format!("{} sslmode=disable", url.join(" ")) })
    }

    /// The bytes that this server has written to its write-ahead log.
    #[must_use]
    pub fn written_ahead(&self) -> u64 {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
        self.session().number(sql).unsigned_abs()
    }

    /// How often this server has flushed that log, and how long it took in all. `None` if it does not count that: it does with
    /// `track_wal_io_timing`, and in versions 14 to 17.
    #[must_use]
    pub fn flushes(&self) -> Option<(u64, Duration)> {
        let session = self.session();
        let version = session.number("SELECT current_setting('server_version_num')::bigint");
        if !(140_000..180_000).contains(&version) {
            return None;
        }
        let is_timed = "SELECT (current_setting('track_wal_io_timing') = 'on')::int";
        if session.number(is_timed) == 0 {
            return None;
        }
        let rows = session.rows("SELECT wal_sync, (wal_sync_time * 1000)::bigint FROM pg_stat_wal");
        let [count, micros] = rows.first()?.as_slice() else { return None };
        Some((count.parse().ok()?, Duration::from_micros(micros.parse().ok()?)))
    }

    /// Each session of a client at work, but this one, by the type and name of what it waits for. `running` is one that waits
    /// for nothing, or for a processor.
    #[must_use]
    pub fn waits(session: &Session) -> Vec<String> {
        let sql = "SELECT coalesce(wait_event_type || ' ' || wait_event, 'running') FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()";
        session.rows(sql).into_iter().flatten().collect()
    }

    /// A connection for statements of a test.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::connect(&self.url)
    }

    /// The address of a schema of its own with a store in it that has a fault.
    #[must_use]
    pub fn planted_schema(&self, planted: &PlantedSql) -> String {
        // What the server says of a fault would hide what it says of a failure. Nothing here is to outlive a crash.
        let url = self.new_schema_with(&["log_min_messages=fatal", "synchronous_commit=off"]);
        drop(open(&url));
        Session::connect(&url).run(&planted.functions());
        url
    }

    /// The address of a schema of its own on this server, which is made now.
    #[must_use]
    pub fn new_schema(&self) -> String {
        self.new_schema_with(&[])
    }

    /// The same, and these settings of the server for who works in it.
    fn new_schema_with(&self, settings: &[&str]) -> String {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let schema = format!("t{}_{number}", std::process::id());
        let admin = Session::connect(&self.url);
        admin.run(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};"));
        let search_path = format!("search_path={schema}");
        let all = [&[search_path.as_str(), "deadlock_timeout=50ms"], settings].concat();
        match self.url.contains("://") {
            true => {
                let separator = if self.url.contains('?') { '&' } else { '?' };
                let all: Vec<String> =
                    all.iter().map(|one| format!("-c{}", one.replace('=', "%3D"))).collect();
                format!("{}{separator}options={}", self.url, all.join("%20"))
            }
            false => format!("{} options='-c {}'", self.url, all.join(" -c ")),
        }
    }
}

/// A schema of a server, with the clock of the test in place of the server's.
pub struct PostgresEngine {
    url: String,
    clock: TestClock,
    admin: Arc<Session>,
}

impl PostgresEngine {
    /// An empty store on this server.
    #[must_use]
    pub fn new(server: &PostgresServer) -> Self {
        let url = server.new_schema();
        drop(open(&url));
        Self::at(&url, &url)
    }

    /// An empty store that is reached by one address, and controlled by another one.
    #[must_use]
    pub fn through(url: &str, direct: &str) -> Self {
        drop(open(url));
        Self::at(url, direct)
    }

    /// An empty store on this server, with a fault.
    #[must_use]
    pub fn with(server: &PostgresServer, planted: &PlantedSql) -> Self {
        let url = server.planted_schema(planted);
        Self::at(&url, &url)
    }

    fn at(url: &str, direct: &str) -> Self {
        let admin = Arc::new(Session::connect(direct));
        admin.run(
            "CREATE TABLE lp_test_clock (now bigint NOT NULL); INSERT INTO lp_test_clock VALUES (0);
             CREATE OR REPLACE FUNCTION lp_now() RETURNS bigint LANGUAGE sql VOLATILE AS
                 'SELECT now FROM lp_test_clock';",
        );
        Self { url: url.into(), clock: TestClock::default(), admin }
    }
}

fn open(url: &str) -> Postgres {
    // A server of tests may do without flushing.
    PostgresOptions::default()
        .connections(2)
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .connect(url)
        .unwrap()
}

impl Engine for PostgresEngine {
    fn connect(&self) -> Arc<dyn Store> {
        let (clock, admin) = (self.clock.clone(), self.admin.clone());
        Arc::new(Clocked { store: open(&self.url), clock, admin, told: Mutex::default() })
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresEngine")
    }
}

/// Tells the server what time it is before each request.
struct Clocked {
    store: Postgres,
    clock: TestClock,
    admin: Arc<Session>,
    told: Mutex<u128>,
}

impl Store for Clocked {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        self.tell_the_time();
        self.store.perform(request)
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.tell_the_time();
        self.store.facts()
    }
}

impl Clocked {
    fn tell_the_time(&self) {
        let now = self.clock.now().as_nanos();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != now {
            self.admin.run(&format!("UPDATE lp_test_clock SET now = {now}"));
            *told = now;
        }
    }
}
