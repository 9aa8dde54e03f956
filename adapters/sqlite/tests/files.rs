//! What a store does with files that are not as they should be: a clear error, and never a panic.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, CellId, Commit, Entry, Holder, LaneId, LaneKind, Next, Request, Store, StoreError,
    StoreErrorKind as Kind,
};
use lp_connector_core::id::AccountId;
use lp_connector_sqlite::{ClockReading, Sqlite, SqliteOptions};
use rusqlite::Connection;
use tempfile::TempDir;

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge.db");
    (directory, path)
}

fn lane(key: &str) -> LaneId {
    LaneId::new(AccountId::new("91827364").unwrap(), LaneKind::Consumer, key)
}

fn append(key: &str, size: usize) -> Request {
    Request::Append(vec![Entry { lane: lane(key), body: vec![b's'; size] }])
}

fn claim() -> Request {
    let term = Duration::from_secs(15);
    Request::Claim { holder: Holder(1), lanes: 1000, entries: 1000, term, speaks: 1 }
}

fn impatient() -> SqliteOptions {
    SqliteOptions::default().busy_timeout(Duration::from_millis(20))
}

fn kind(result: Result<Sqlite, StoreError>) -> (Kind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.to_string())
}

#[cfg(unix)]
#[test]
fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let (directory, path) = directory();
    let store = Sqlite::open(&path).unwrap();
    store.perform(append("ada", 1)).unwrap();
    let modes: Vec<u32> = fs::read_dir(directory.path())
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    assert_eq!(modes, [0o600; 3], "the file, its journal and its index");
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    for content in [&b"hello"[..], &[7; 10_000], b"SQLite format 3\0 but no more of it"] {
        let (_directory, path) = directory();
        fs::write(&path, content).unwrap();
        let (kind, text) = kind(Sqlite::open(&path));
        assert_eq!(kind, Kind::Incompatible, "{text}");
        assert!(text.starts_with(&path.display().to_string()), "{text}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    for setup in ["CREATE TABLE a (b)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"] {
        let (_directory, path) = directory();
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        let before = fs::read(&path).unwrap();
        let (kind, text) = kind(Sqlite::open(&path));
        assert_eq!(
            (kind, text.contains("another program's")),
            (Kind::Incompatible, true),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap(), before, "not even its journal mode");
    }
}

#[test]
fn a_store_of_a_newer_release_is_left_alone() {
    let (_directory, path) = directory();
    Sqlite::open(&path).unwrap().perform(append("ada", 1)).unwrap();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    let (kind, text) = kind(Sqlite::open(&path));
    assert_eq!((kind, text.contains("version 2")), (Kind::Incompatible, true), "{text}");
}

#[test]
fn an_empty_file_becomes_a_store() {
    let (_directory, path) = directory();
    fs::write(&path, "").unwrap();
    Sqlite::open(&path).unwrap().perform(append("ada", 1)).unwrap();
}

#[test]
fn a_path_that_is_no_file_is_denied() {
    let (directory, path) = directory();
    for path in [directory.path().to_owned(), path.join("in"), PathBuf::new()] {
        let (kind, text) = kind(Sqlite::open(&path));
        assert_eq!(kind, Kind::Denied, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_made_is_reported_as_that() {
    let (_directory, path) = directory();
    let (_, text) = kind(Sqlite::open(path.join("in")));
    assert!(text.contains("the store's file cannot be made"), "{text}");
}

#[test]
fn a_damaged_store_gives_errors() {
    let (_directory, path) = directory();
    let store = Sqlite::open(&path).unwrap();
    for number in 0..200 {
        store.perform(append(&format!("consumer-{number}"), 2000)).unwrap();
    }
    drop(store);
    let sound = fs::read(&path).unwrap();
    let pages = sound.len() / 4096;
    let mut failed = 0;
    for page in (0..pages).step_by(1 + pages / 40) {
        let mut bytes = sound.clone();
        for byte in &mut bytes[page * 4096..(page + 1) * 4096] {
            *byte ^= 0x5a;
        }
        fs::write(&path, &bytes).unwrap();
        let asked = impatient().open(&path).and_then(|store| {
            store.perform(claim())?;
            store.perform(append("consumer-1", 10))
        });
        if let Err(error) = asked {
            assert!(matches!(error.kind(), Kind::Damaged | Kind::Incompatible), "{error}");
            assert!(!error.to_string().contains("sss"), "an error quotes no content");
            failed += 1;
        }
    }
    assert!(failed > 3, "only {failed} of the damages were seen");
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    let asked = Sqlite::open(&path).and_then(|store| store.perform(claim()));
    assert_eq!(asked.unwrap_err().kind(), Kind::Damaged);
}

#[test]
fn a_table_or_a_value_that_is_wrong_is_damage() {
    for setup in [
        "DROP TABLE lp_entry",
        "DELETE FROM lp_store",
        "UPDATE lp_lane SET kind = 99",
        "UPDATE lp_lane SET account = ''",
        "UPDATE lp_lane SET version = 70000, record = x'00'",
        "UPDATE lp_lane SET version = -1, record = x'00'",
        "UPDATE lp_entry SET number = 9; UPDATE lp_lane SET tail = 8",
    ] {
        let (_directory, path) = directory();
        Sqlite::open(&path).unwrap().perform(append("ada", 1)).unwrap();
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        let store = Sqlite::open(&path).unwrap();
        let request = match setup {
            "UPDATE lp_entry SET number = 9; UPDATE lp_lane SET tail = 8" => append("ada", 1),
            "UPDATE lp_lane SET version = 70000, record = x'00'" => Request::List {
                what: lp_connector_core::bridge::store::Listed::Lane(lane("ada")),
                after: None,
                limit: 1,
            },
            _ => claim(),
        };
        let error = store.perform(request).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{setup}: {error}");
    }
}

#[test]
fn a_locked_store_is_unavailable_until_it_is_not() {
    let (_directory, path) = directory();
    let store = impatient().open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.perform(append("ada", 1)).unwrap_err();
    assert_eq!((error.kind(), error.kind().may_repeat()), (Kind::Unavailable, true), "{error}");
    // Reading goes on, and so does opening.
    store.perform(Request::Read(Vec::new())).unwrap();
    drop(impatient().open(&path).unwrap());
    other.execute_batch("COMMIT").unwrap();
    store.perform(append("ada", 1)).unwrap();

    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE").unwrap();
    drop(store);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let (kind, text) = kind(impatient().open(&path));
    assert_eq!(kind, Kind::Unavailable, "{text}");
}

#[test]
fn a_full_store_takes_nothing_and_gives_everything() {
    let (_directory, path) = directory();
    let store = SqliteOptions::default().max_bytes(200_000).open(&path).unwrap();
    let mut taken = 0;
    let error = loop {
        match store.perform(append("ada", 5000)) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), taken > 20), (Kind::Full, true), "{error}");
    // What is there can be worked on, and makes room.
    let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
    assert_eq!(claimed[0].entries.len(), taken);
    let commit = Commit::new(lane("ada"), claimed[0].fence, Holder(1));
    store.perform(Request::Commit(vec![commit.through(taken as u64)])).unwrap();
    store.perform(append("ada", 5000)).unwrap();
}

#[test]
fn a_request_that_fails_leaves_those_beside_it_alone() {
    let (_directory, path) = directory();
    let store = SqliteOptions::default().max_bytes(200_000).open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // While the lock is held, these come together.
    let (sender, results) = mpsc::channel();
    for (key, size) in [("ada", 10), ("bob", 1_000_000), ("eve", 10)] {
        let sender = sender.clone();
        let reply = move |result: Result<Answer, StoreError>| {
            sender.send((key, result.map_err(|error| error.kind()))).unwrap();
        };
        store.submit(append(key, size), Box::new(reply));
    }
    other.execute_batch("COMMIT").unwrap();
    let mut found: Vec<_> = results.iter().take(3).collect();
    found.sort_by_key(|(key, _)| *key);
    let taken = Ok(Answer::Appended);
    assert_eq!(found, [("ada", taken.clone()), ("bob", Err(Kind::Full)), ("eve", taken)]);
    let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
    assert_eq!(claimed.len(), 2);
}

#[cfg(unix)]
#[test]
fn a_store_that_may_not_be_written_is_denied() {
    let (_directory, path) = directory();
    Sqlite::open(&path).unwrap().perform(append("ada", 1)).unwrap();
    assert_denied_without_permission(&path);
}

/// For a user whom permissions do not bind there is nothing to see.
#[cfg(unix)]
fn assert_denied_without_permission(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(path).is_err() {
        let (kind, text) = kind(Sqlite::open(path));
        assert_eq!(kind, Kind::Denied, "{text}");
    }
}

#[test]
fn a_reply_that_panics_stops_nobody() {
    let (_directory, path) = directory();
    let store = Sqlite::open(&path).unwrap();
    store.submit(append("ada", 1), Box::new(|_| panic!("this reply panics, as it should")));
    store.perform(append("ada", 1)).unwrap();
}

#[test]
fn what_was_asked_is_done_before_a_store_closes() {
    let (_directory, path) = directory();
    let store = Sqlite::open(&path).unwrap();
    for _ in 0..500 {
        store.submit(append("ada", 1), Box::new(drop));
    }
    drop(store);
    let Answer::Claimed(claimed) = Sqlite::open(&path).unwrap().perform(claim()).unwrap() else {
        panic!()
    };
    assert_eq!(claimed[0].entries.len(), 500);
}

#[test]
fn a_reply_may_hold_the_last_handle() {
    let (_directory, path) = directory();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let (sender, receiver) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let handle = Arc::clone(&store);
    let reply = move |_: Result<Answer, StoreError>| {
        wait.recv().unwrap();
        drop(handle);
        sender.send(()).unwrap();
    };
    store.submit(append("ada", 1), Box::new(reply));
    drop(store);
    go.send(()).unwrap();
    receiver.recv().unwrap();
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..8 {
        let (_directory, path) = directory();
        let together = Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, together) = (&path, &together);
                scope.spawn(move || {
                    together.wait();
                    let store = Sqlite::open(path).unwrap();
                    store.perform(append(&format!("{number}"), 1)).unwrap();
                });
            }
        });
        let Answer::Claimed(claimed) = Sqlite::open(&path).unwrap().perform(claim()).unwrap()
        else {
            panic!()
        };
        assert_eq!(claimed.len(), 8);
    }
}

#[test]
fn what_is_deleted_leaves_no_bytes() {
    let (directory, path) = directory();
    let store = SqliteOptions::default().journal_age(Duration::ZERO).open(&path).unwrap();
    // On pages of their own, and between others that stay.
    let word = b"a private word";
    for (number, repeated) in (0..60).map(|number| (number, 1 + number % 3 * 1500)) {
        for key in [format!("ada{number}"), format!("bob{number}")] {
            let body = if key.starts_with("ada") { word.repeat(repeated) } else { vec![b's'; 99] };
            store.perform(Request::Append(vec![Entry { lane: lane(&key), body }])).unwrap();
        }
    }
    let holds = || {
        let files = fs::read_dir(directory.path()).unwrap();
        files
            .map(|file| fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(word.len()).any(|part| part == word))
    };
    assert!(holds(), "the test can see it");
    let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
    let theirs = claimed.into_iter().filter(|lane| lane.lane.key().starts_with("ada"));
    let commits = theirs.map(|lane| {
        Commit::new(lane.lane, lane.fence, Holder(1)).through(u64::MAX).next(Next::Gone)
    });
    store.perform(Request::Commit(commits.collect())).unwrap();
    // The journal is emptied after the answer, and before the next request.
    store.perform(Request::Read(Vec::new())).unwrap();
    assert!(!holds());
}

#[test]
fn what_cannot_be_committed_is_not_answered() {
    let (_directory, path) = directory();
    let store = Sqlite::open(&path).unwrap();
    // A key that refers to nothing is found out at the commit alone.
    let refers_to_nothing = "CREATE TABLE other (id INTEGER PRIMARY KEY);
        CREATE TABLE refers (id REFERENCES other DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER fails AFTER INSERT ON lp_entry BEGIN INSERT INTO refers VALUES (1); END;";
    let other = Connection::open(&path).unwrap();
    other.execute_batch(refers_to_nothing).unwrap();
    let error = store.perform(append("ada", 1)).unwrap_err();
    assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
    other.execute_batch("DROP TRIGGER fails").unwrap();
    let Answer::Claimed(claimed) = store.perform(claim()).unwrap() else { panic!() };
    assert_eq!(claimed, []);
}

#[test]
fn appends_are_refused_while_much_waits_for_a_lock() {
    let (_directory, path) = directory();
    let store = SqliteOptions::default().busy_timeout(Duration::MAX).open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (sender, answers) = mpsc::channel();
    for _ in 0..100 {
        let sender = sender.clone();
        let reply = move |result: Result<Answer, StoreError>| sender.send(result.is_ok()).unwrap();
        store.submit(append("ada", 1_000_000), Box::new(reply));
    }
    // Nobody else is answered while the lock is held.
    let refused = answers.try_iter().inspect(|taken| assert!(!taken)).count();
    assert!((30..50).contains(&refused), "{refused} of 100 are refused, beyond 64 MiB");
    other.execute_batch("COMMIT").unwrap();
    assert!(answers.iter().take(100 - refused).all(|taken| taken));
}

#[test]
fn a_cell_that_has_expired_leaves_no_row() {
    let (_directory, path) = directory();
    let date = Arc::new(std::sync::Mutex::new(Duration::from_secs(1000)));
    let clock = Arc::clone(&date);
    let read = move || {
        let now = *clock.lock().unwrap();
        ClockReading { boot: "test".into(), uptime: now, date: now }
    };
    let store = SqliteOptions::default().clock(read).open(&path).unwrap();
    let put = |key: &str, life: u64| {
        let cell = CellId { account: AccountId::new("91827364").unwrap(), key: key.to_owned() };
        let life = Some(Duration::from_secs(life));
        let swap = Request::Swap { cell, seen: 0, value: b"x".to_vec(), life };
        assert_eq!(store.perform(swap).unwrap(), Answer::Swapped(true));
    };
    put("one", 10);
    put("two", 20);
    *date.lock().unwrap() += Duration::from_secs(10);
    put("three", 10);
    let other = Connection::open(&path).unwrap();
    let mut keys = other.prepare("SELECT key FROM lp_cell ORDER BY key").unwrap();
    let keys: Vec<String> =
        keys.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(keys, ["three", "two"]);
}
