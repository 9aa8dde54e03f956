//! The stores under test.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lp_connector_core::bridge::store::{
    Answer, LaneKind, Listed, MemoryStore, Request, Store, StoreError, StoreFacts,
};
use lp_connector_core::time::Mono;
use lp_connector_sqlite::{ClockReading, SqliteOptions};

use crate::{Model, Plant};

/// A clock that a test moves.
#[derive(Clone, Debug, Default)]
pub struct TestClock(Arc<Mutex<Duration>>);

impl TestClock {
    /// The time since its start.
    #[must_use]
    pub fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

/// A store under test, empty at first, with a clock of the test.
pub trait Engine {
    /// Another connection to the same store.
    fn connect(&self) -> Arc<dyn Store>;

    /// The store's clock.
    fn clock(&self) -> &TestClock;
}

/// [`MemoryStore`].
#[derive(Clone, Debug, Default)]
pub struct MemoryEngine {
    store: Arc<Mutex<MemoryStore>>,
    clock: TestClock,
}

impl Store for MemoryEngine {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        request.check_sizes()?;
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(store.perform(request, Mono::from_origin(self.clock.now())))
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(store.facts(Mono::from_origin(self.clock.now())))
    }
}

impl Engine for MemoryEngine {
    fn connect(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

/// [`Model`], sound or with a fault.
#[derive(Clone, Debug, Default)]
pub struct ModelEngine {
    model: Arc<Mutex<Model>>,
    clock: TestClock,
}

impl ModelEngine {
    /// A model with this fault.
    #[must_use]
    pub fn with(plant: Plant) -> Self {
        Self { model: Arc::new(Mutex::new(Model::with(plant))), clock: TestClock::default() }
    }
}

impl Store for ModelEngine {
    fn perform(&self, request: Request) -> Result<Answer, StoreError> {
        request.check_sizes()?;
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(model.perform(request, self.clock.now()))
    }

    fn facts(&self) -> Result<StoreFacts, StoreError> {
        let mut facts = StoreFacts::default();
        for kind in LaneKind::ALL {
            let what = Listed::Lanes { account: None, kind: *kind };
            let list = Request::List { what, after: None, limit: usize::MAX };
            let Answer::Listed(lanes) = self.perform(list)? else { panic!() };
            for lane in lanes.into_iter().map(|lane| lane.summary) {
                facts.due_lanes += u64::from(lane.due_in == Some(Duration::ZERO));
                facts.oldest_due = facts.oldest_due.max(lane.overdue);
            }
        }
        Ok(facts)
    }
}

impl Engine for ModelEngine {
    fn connect(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

/// A SQLite file.
pub struct SqliteEngine {
    path: PathBuf,
    clock: TestClock,
}

impl SqliteEngine {
    /// The store in this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, clock: TestClock::default() }
    }
}

impl Engine for SqliteEngine {
    fn connect(&self) -> Arc<dyn Store> {
        let clock = self.clock.clone();
        let read = move || {
            let now = clock.now();
            ClockReading { boot: "test".into(), uptime: now, date: now }
        };
        Arc::new(SqliteOptions::default().clock(read).open(&self.path).unwrap())
    }

    fn clock(&self) -> &TestClock {
        &self.clock
    }
}

impl fmt::Debug for SqliteEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteEngine({})", self.path.display())
    }
}
