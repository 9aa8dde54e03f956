use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Commit, Entry, Holder, LaneId, LaneKind, Next, Request, Store,
};
use lp_connector_core::id::AccountId;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::{Postgres, PostgresOptions};

/// The next version as it might be: a column that nothing old needs, a function in a new form beside the old one, and
/// one that is new.
const NEXT: Migration = Migration {
    version: OWN + 1,
    least_program: 1,
    sql: "ALTER TABLE lp_lane ADD COLUMN note text;
        CREATE FUNCTION lp_append(accounts text[], kinds smallint[], keys text[], bodies bytea[], note_ text)
        RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            PERFORM lp_append(accounts, kinds, keys, bodies);
            UPDATE lp_lane SET note = note_ WHERE key = ANY (keys);
        END $$;
        CREATE FUNCTION lp_noted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM lp_lane WHERE note IS NOT NULL';",
};

/// The version of this program.
const OWN: i32 = 2;

/// The migrations of this program, and then this one.
fn with(next: Migration) -> Vec<Migration> {
    let own = MIGRATIONS.iter().map(|one| Migration { ..*one });
    own.chain([next]).collect()
}

/// A schema of its own.
pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) runtime: Runtime,
}

impl Schema {
    /// `None`, and a line that says so, if the environment names no server.
    pub(crate) fn create() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let server = match (variable("LP_TEST_POSTGRES"), variable("PGHOST")) {
            (url, _) if !url.is_empty() => url,
            (_, host) if !host.is_empty() => format!(
                "host='{host}' port='{}' user='{}' password='{}' dbname='{}' sslmode=disable",
                variable("PGPORT"),
                variable("PGUSER"),
                variable("PGPASSWORD"),
                variable("PGDATABASE"),
            ),
            _ => {
                println!("skipped: there is no PostgreSQL server: set LP_TEST_POSTGRES");
                return None;
            }
        };
        let schema = format!("m{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = format!("{server} options='-c search_path={schema}'");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let created = Self { url, runtime };
        created.run(&mut created.client(), &format!("CREATE SCHEMA {schema}"));
        Some(created)
    }

    pub(crate) fn client(&self) -> Client {
        self.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        })
    }

    pub(crate) fn run(&self, client: &mut Client, sql: &str) {
        self.runtime.block_on(client.batch_execute(sql)).unwrap();
    }

    pub(crate) fn bring_up(&self, migrations: &[Migration]) -> Result<Migrated, StoreError> {
        let mut client = self.client();
        self.runtime.block_on(bring_up(&mut client, migrations, true))
    }

    pub(crate) fn ask(&self, sql: &str) -> i64 {
        let client = self.client();
        self.runtime.block_on(client.query_one(sql, &[])).unwrap().get(0)
    }

    pub(crate) fn text(&self, sql: &str) -> String {
        let client = self.client();
        self.runtime.block_on(client.query_one(sql, &[])).unwrap().get(0)
    }

    fn store(&self) -> Result<Postgres, StoreError> {
        PostgresOptions::default().accept_loss_on_failover().connect(&self.url)
    }
}

/// Each request once; the claim finds `entries`.
fn all_work(store: &Postgres, entries: usize) {
    let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
    let entry = Entry { lane: lane.clone(), body: vec![1] };
    store.perform(Request::Append(vec![entry.clone()])).unwrap();
    let (holder, term) = (Holder(7), Duration::from_secs(900));
    let claim = Request::Claim { holder, lanes: 9, entries: 9, term, speaks: 1 };
    let Answer::Claimed(claimed) = store.perform(claim).unwrap() else { panic!() };
    assert_eq!(claimed[0].entries.len(), entries);
    let commit = Commit::new(lane, claimed[0].fence, holder).append(entry).next(Next::Idle);
    let done = store.perform(Request::Commit(vec![commit.through(9)])).unwrap();
    assert!(matches!(done, Answer::Committed(done) if done[0].is_some()));
}

#[test]
fn migrations_are_numbered_without_gaps() {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        assert_eq!(migration.version, number);
        assert!((1..=number).contains(&migration.least_program));
    }
}

#[test]
fn a_program_goes_on_while_the_tables_are_migrated() {
    let Some(schema) = Schema::create() else { return };
    let old = schema.store().unwrap();
    all_work(&old, 1);
    let migrated = schema.bring_up(&with(NEXT)).unwrap();
    assert_eq!(migrated, Migrated { from: 2, to: 3 });
    all_work(&old, 2);
    // One that starts afterwards, and one that knows the new tables.
    all_work(&schema.store().unwrap(), 2);
    schema.ask("SELECT 1::bigint FROM lp_append(ARRAY['1'], ARRAY[1::smallint], ARRAY['b'], ARRAY['x'::bytea], 'new')");
    assert_eq!(schema.ask("SELECT lp_noted()"), 1);
    assert_eq!(schema.bring_up(&with(NEXT)).unwrap(), Migrated { from: 3, to: 3 });
}

#[test]
fn tables_that_an_old_program_must_not_use_are_refused() {
    let Some(schema) = Schema::create() else { return };
    let strict = Migration { least_program: 3, ..NEXT };
    schema.bring_up(&with(strict)).unwrap();
    let error = schema.store().unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible);
    for words in ["version 3", "this one is for 2", "newer release"] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_program_that_may_not_migrate_says_what_to_do() {
    let Some(schema) = Schema::create() else { return };
    let options = || PostgresOptions::default().accept_loss_on_failover().migrate(false);
    let error = options().connect(&schema.url).unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible);
    assert!(
        error.to_string().contains("no tables of the bridge: run `lp-connector bridge migrate`")
    );
    assert_eq!(
        schema.ask(
            "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
        ),
        0
    );
    assert_eq!(options().migrate_now(&schema.url).unwrap(), Migrated { from: 0, to: 2 });
    assert_eq!(options().migrate_now(&schema.url).unwrap(), Migrated { from: 2, to: 2 });
    all_work(&options().connect(&schema.url).unwrap(), 1);
    // Tables that are one version behind.
    let mut client = schema.client();
    let refused = schema.runtime.block_on(bring_up(&mut client, &with(NEXT), false));
    assert!(refused.unwrap_err().to_string().contains("version 2, and this program needs 3"));
}

#[test]
fn a_migration_that_fails_leaves_nothing_behind() {
    let Some(schema) = Schema::create() else { return };
    let broken =
        Migration { sql: "ALTER TABLE lp_lane ADD COLUMN note text; SELECT 1 / 0;", ..NEXT };
    let nothing = Migration {
        sql: "CREATE TABLE lp_lane (); SELECT 1 / 0;",
        ..Migration { ..MIGRATIONS[0] }
    };
    let error = schema.bring_up(&[nothing]).unwrap_err();
    assert!(error.to_string().contains("version 1, and are as before"), "{error}");
    let relations =
        "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
    assert_eq!(schema.ask(relations), 0);
    schema.bring_up(MIGRATIONS).unwrap();
    let before = schema.ask(relations);
    let error = schema.bring_up(&with(broken)).unwrap_err();
    assert!(error.to_string().contains("version 3, and are as before"), "{error}");
    assert_eq!(schema.ask(relations), before);
    all_work(&schema.store().unwrap(), 1);
    // The same step, mended.
    assert_eq!(schema.bring_up(&with(NEXT)).unwrap(), Migrated { from: 2, to: 3 });
}

#[test]
fn a_migration_gives_up_on_a_table_that_is_in_use() {
    let Some(schema) = Schema::create() else { return };
    schema.bring_up(MIGRATIONS).unwrap();
    let mut user = schema.client();
    schema.run(&mut user, "BEGIN; SELECT * FROM lp_lane");
    let error = schema.bring_up(&with(NEXT)).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("nothing is changed. Try again"), "{error}");
    schema.run(&mut user, "COMMIT");
    assert_eq!(schema.bring_up(&with(NEXT)).unwrap(), Migrated { from: 2, to: 3 });
}

#[test]
fn programs_that_migrate_at_once_wait_for_each_other() {
    let Some(schema) = Schema::create() else { return };
    let url = &schema.url;
    let migrate = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            bring_up(&mut client, &with(NEXT), true).await.unwrap()
        })
    };
    let done: Vec<Migrated> = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..8).map(|_| scope.spawn(migrate)).collect();
        programs.into_iter().map(|program| program.join().unwrap()).collect()
    });
    assert!(done.iter().all(|one| one.to == 3), "{done:?}");
    assert_eq!(schema.ask("SELECT count(*) FROM lp_store"), 3);
}

#[test]
fn who_may_use_the_tables_may_use_those_of_a_migration() {
    let Some(schema) = Schema::create() else { return };
    schema.bring_up(&MIGRATIONS[..1]).unwrap();
    let name = schema.url.rsplit_once('=').unwrap().1.trim_end_matches('\'');
    let mut owner = schema.client();
    let grants = format!(
        "CREATE ROLE r{name}; GRANT USAGE ON SCHEMA {name} TO r{name};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO r{name};
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {name} TO r{name};"
    );
    schema.run(&mut owner, &grants);
    schema.bring_up(MIGRATIONS).unwrap();
    let url = schema.url.replace("-c search_path", &format!("-c role=r{name} -c search_path"));
    let options = PostgresOptions::default().accept_loss_on_failover().migrate(false);
    let store = options.connect(&url).unwrap();
    all_work(&store, 1);
    drop(store);
    schema.run(&mut owner, &format!("DROP SCHEMA {name} CASCADE; DROP ROLE r{name};"));
}

#[test]
fn a_snapshot_for_a_whole_transaction_is_refused() {
    let Some(schema) = Schema::create() else { return };
    let isolation = "-c default_transaction_isolation=serializable -c search_path";
    let url = schema.url.replace("-c search_path", isolation);
    let store = PostgresOptions::default().accept_loss_on_failover().connect(&url).unwrap();
    let lane = LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, "ada");
    let append = Request::Append(vec![Entry { lane, body: vec![1] }]);
    let error = store.perform(append).unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible);
    assert!(error.to_string().contains("read committed"), "{error}");
}
