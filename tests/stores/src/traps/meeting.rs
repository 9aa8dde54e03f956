//! Two transactions that meet as a test has it.

use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, Claimed, Entry, Holder, LaneId, Request, Store, StoreError,
};
use lp_connector_postgres::{Postgres, PostgresOptions};

use crate::Session;

/// Who claims.
pub(super) const HOLDER: Holder = Holder(1);
/// Longer than any test: it never ends.
pub(super) const TERM: Duration = Duration::from_secs(3600);

/// A connection to the store at this address. A server of tests may do without flushing.
pub(super) fn connect(url: &str) -> Postgres {
    PostgresOptions::default()
        .time_limit(Duration::from_secs(60))
        .accept_loss_on_failover()
        .accept_loss_in_crash()
        .connect(url)
        .unwrap()
}

/// A store, and another transaction on it.
pub(super) struct Meeting {
    // It ends before the store does, which waits for its requests.
    other: Session,
    observer: Session,
    is_awaited: String,
    store: Postgres,
}

impl Meeting {
    pub(super) fn new(url: &str) -> Self {
        let (other, observer) = (Session::connect(url), Session::connect(url));
        // However busy the machine is, what waits does so until the other transaction ends. The observer waits for
        // nobody who waits.
        observer.run(
            "SET lock_timeout = '200ms';
             DO $$ DECLARE one regprocedure; BEGIN
                 FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = current_schema()::regnamespace LOOP
                     EXECUTE format('ALTER FUNCTION %s RESET lock_timeout', one);
                 END LOOP;
             END $$",
        );
        let pid = other.number("SELECT pg_backend_pid()");
        let is_awaited = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND {pid} = ANY (pg_blocking_pids(pid))"
        );
        Self { other, observer, is_awaited, store: connect(url) }
    }

    /// Performs a request while nobody else is there.
    pub(super) fn perform(&self, request: Request) -> Answer {
        self.store.perform(request).unwrap()
    }

    /// Runs statements while nobody else is there.
    pub(super) fn run(&self, sql: &str) {
        self.observer.run(sql);
    }

    /// True if no transaction keeps these statements waiting. They give a row.
    pub(super) fn is_free(&self, sql: &str) -> bool {
        self.observer.ask(sql).is_some()
    }

    /// Appends an entry to each lane, and leases them.
    pub(super) fn lease(&self, lanes: &[&LaneId]) -> Vec<Claimed> {
        for lane in lanes {
            self.perform(Request::Append(vec![entry(lane)]));
        }
        let Answer::Claimed(claimed) = self.perform(claim()) else { panic!() };
        let of = |lane: &&LaneId| claimed.iter().find(|one| one.lane == **lane).unwrap().clone();
        lanes.iter().map(of).collect()
    }

    /// Performs a request while the other transaction holds what these statements take. This returns when the request
    /// waits for that one, or is answered.
    pub(super) fn meet(&self, held: &str, request: Request) -> Met<'_> {
        self.other.run(&format!("BEGIN; {held}"));
        let (sender, answers) = channel();
        self.store.submit(request, Box::new(move |answer| drop(sender.send(answer))));
        let mut answer = None;
        // The store has a limit of time, so this ends.
        while answer.is_none() && self.observer.number(&self.is_awaited) == 0 {
            answer = match answers.try_recv() {
                Ok(answer) => Some(answer),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => panic!("no answer"),
            };
        }
        Met { meeting: self, answers, answer }
    }
}

/// A request beside an open transaction.
pub(super) struct Met<'a> {
    meeting: &'a Meeting,
    answers: Receiver<Result<Answer, StoreError>>,
    answer: Option<Result<Answer, StoreError>>,
}

impl Met<'_> {
    /// True if the request waits for the other transaction.
    pub(super) fn waits(&self) -> bool {
        self.answer.is_none()
    }

    /// Commits the other transaction, and gives the request's answer.
    pub(super) fn commit(self) -> Answer {
        self.end("COMMIT")
    }

    /// Rolls the other transaction back, and gives the request's answer.
    pub(super) fn roll_back(self) -> Answer {
        self.end("ROLLBACK")
    }

    fn end(self, how: &str) -> Answer {
        self.meeting.other.run(how);
        self.answer.unwrap_or_else(|| self.answers.recv().unwrap()).unwrap()
    }
}

pub(super) fn entry(lane: &LaneId) -> Entry {
    Entry { lane: lane.clone(), body: vec![1] }
}

/// Leases whatever is due.
pub(super) fn claim() -> Request {
    Request::Claim { holder: HOLDER, lanes: 1000, entries: 1000, term: TERM, speaks: 1 }
}
