//! Several programs on one store: what one has requested, all have.

use std::sync::Arc;
use std::time::Duration;

use lp_connector_bridge::store::{Answer, CellId, Request, Store};
use lp_connector_bridge::{BridgeConfig, Inbound, Memory, Sealed, StoreKey};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::Receiver;
use lp_connector_sandbox::{Endpoint, Server};
use lp_connector_sqlite::Sqlite;

use crate::hosts::{Host, Running, Setup};
use crate::ledger::{Ledger, PATIENCE};
use crate::wire::{account, cloud, config, connect, consumer, quick};

/// Programs over one sealed store, and one sandbox.
struct Programs {
    cloud: Server,
    ledger: Arc<Ledger>,
    store: Arc<dyn Store>,
}

impl Programs {
    fn new(store: Arc<dyn Store>) -> Self {
        Self { cloud: cloud("91827364", &Arc::default()), ledger: Ledger::new(), store }
    }

    fn start<H: Host>(&self, config: BridgeConfig) -> Arc<dyn Running> {
        H::start(Setup {
            configs: vec![self::config(&self.cloud)],
            store: self.store.clone(),
            ledger: self.ledger.clone(),
            config,
            receiver: Receiver::new().secret(Secret::new(self.cloud.client_secret())),
            told: Arc::default(),
        })
    }

    fn accept(&self, bridge: &dyn Running, from: &str, id: &str) {
        let message = Inbound::text(id, "hello").unwrap();
        bridge.accept(&account(&self.cloud), &consumer(from), message).unwrap();
    }
}

fn sealed(store: impl Store + 'static) -> Arc<dyn Store> {
    Arc::new(Sealed::new(store, StoreKey::from_bytes(&[7; 32])))
}

pub(crate) fn twenty_cold_programs_request_one_token<H: Host>() {
    let directory = tempfile::tempdir().unwrap();
    let file = Sqlite::open(directory.path().join("bridge.db")).unwrap();
    for store in [sealed(Memory::new()), sealed(file)] {
        let programs = Programs::new(store);
        // However slow this machine is. Nobody takes more than a few lanes, so that all have some.
        let slow = quick().attempt_timeout(4 * PATIENCE).token_patience(2 * PATIENCE).max_lanes(3);
        let bridges: Vec<_> = (0..20).map(|_| programs.start::<H>(slow.clone())).collect();
        connect(&programs.cloud, &*bridges[0]);
        let names: Vec<String> = (0..60).map(|number| format!("c{number}")).collect();
        for (name, bridge) in names.iter().zip(bridges.iter().cycle()) {
            programs.accept(&**bridge, name, "m1");
        }
        names.iter().for_each(|name| programs.ledger.expect(name, "status", &["m1 sent"]));
        let requested = programs.cloud.requests(Endpoint::Token);
        let working = bridges.iter().filter(|bridge| bridge.counters().claimed > 0).count();
        assert!(requested <= 2, "{requested} token requests of {working} programs");
        // All lanes end before the store does.
        bridges.iter().for_each(|bridge| assert!(bridge.drain(PATIENCE)));
    }
}

pub(crate) fn a_drained_program_leaves_its_tokens_to_the_next<H: Host>() {
    let programs = Programs::new(sealed(Memory::new()));
    // Lanes that are not released would be free much later.
    let config = quick().term(10 * PATIENCE).token_patience(PATIENCE);
    let (first, second) = (programs.start::<H>(config.clone()), programs.start::<H>(config));
    connect(&programs.cloud, &*first);
    programs.accept(&*first, "ada", "m1");
    programs.ledger.expect("ada", "status", &["m1 sent"]);
    let requested = |endpoint| programs.cloud.requests(endpoint);
    assert_eq!((requested(Endpoint::Token), requested(Endpoint::Consumer)), (1, 1));
    assert!(first.drain(PATIENCE));
    // The next one takes her lane at once, and has no token of its own yet.
    connect(&programs.cloud, &*second);
    programs.accept(&*second, "ada", "m2");
    programs.ledger.expect("ada", "status", &["m1 sent", "m2 sent"]);
    assert_eq!((requested(Endpoint::Token), requested(Endpoint::Consumer)), (1, 1));
    assert_eq!(second.counters().taken_over, 0);
    assert!(second.drain(Duration::from_secs(30)));
}

pub(crate) fn programs_on_one_store_know_each_other<H: Host>() {
    let programs = Programs::new(Arc::new(Memory::new()));
    let (first, second) = (programs.start::<H>(quick()), programs.start::<H>(quick()));
    programs.ledger.until("both", || first.instances().len() == 2 && second.instances().len() == 2);
    let all = first.instances();
    assert_eq!(all.iter().filter(|one| one.is_self).count(), 1);
    assert!(all.iter().all(|one| one.version == env!("CARGO_PKG_VERSION")), "{all:?}");
    let ids =
        |bridge: &dyn Running| bridge.instances().into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(&*first), ids(&*second));
    // Who stops well is gone at once.
    assert!(first.drain(PATIENCE));
    assert_eq!(second.instances().len(), 1);
    assert!(second.instances()[0].is_self);
    assert!(second.drain(PATIENCE));
}

pub(crate) fn a_forgotten_consumer_leaves_no_token<H: Host>() {
    let programs = Programs::new(sealed(Memory::new()));
    let bridge = programs.start::<H>(quick());
    connect(&programs.cloud, &*bridge);
    programs.accept(&*bridge, "ada", "m1");
    programs.ledger.expect("ada", "status", &["m1 sent"]);
    let has_token = || {
        let key = "consumer_jws:ada".to_owned();
        let read = Request::Read(vec![CellId { account: account(&programs.cloud), key }]);
        let Ok(Answer::Cells(cells)) = programs.store.perform(read) else { panic!() };
        cells[0].is_some()
    };
    assert!(has_token());
    bridge.forget(&consumer("ada")).unwrap();
    programs.ledger.until("no token", || !has_token());
    assert!(bridge.drain(PATIENCE));
}

pub(crate) fn no_token_goes_to_a_store_that_is_not_sealed<H: Host>() {
    let store = Arc::new(Memory::new());
    let programs = Programs::new(store.clone());
    let bridges = [programs.start::<H>(quick()), programs.start::<H>(quick())];
    connect(&programs.cloud, &*bridges[0]);
    programs.accept(&*bridges[0], "ada", "m1");
    programs.ledger.expect("ada", "status", &["m1 sent"]);
    let app = programs.cloud.client_id();
    let keys =
        ["consumer_jws:ada".to_owned(), format!("app_jwt:{app}"), format!("app_jwt_claim:{app}")];
    let cells = keys.map(|key| CellId { account: account(&programs.cloud), key });
    let read = store.perform(Request::Read(cells.into()));
    assert_eq!(read.unwrap(), Answer::Cells(vec![None, None, None]));
}
