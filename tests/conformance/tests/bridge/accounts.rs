//! One bridge for several accounts.

use std::sync::Arc;
use std::time::Duration;

use lp_connector_bridge::store::StoreErrorKind;
use lp_connector_bridge::{BridgeConfig, Inbound, Memory};
use lp_connector_core::id::{AccountId, ClientId};
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Receiver, Verified};
use lp_connector_sandbox::{Endpoint, Server, Webhooks};

use crate::hosts::{Host, Running, Setup};
use crate::ledger::Ledger;
use crate::wire::{account, cloud, connect, consumer, quick, texts_of};

/// Two sandboxes, and a bridge for both.
struct Brands {
    clouds: [Server; 2],
    ledger: Arc<Ledger>,
    bridge: Arc<dyn Running>,
}

impl Brands {
    fn new<H: Host>(config: BridgeConfig) -> Self {
        let posted = Arc::default();
        let clouds = [cloud("91827364", &posted), cloud("11112222", &posted)];
        let ledger = Ledger::new();
        let receiver = clouds.iter().fold(Receiver::new(), |receiver, cloud| {
            let client = ClientId::new(cloud.client_id()).unwrap();
            receiver.app(account(cloud), client, [Secret::new(cloud.client_secret())])
        });
        let bridge = H::start(Setup {
            configs: clouds.iter().map(crate::wire::config).collect(),
            store: Arc::new(Memory::new()),
            ledger: ledger.clone(),
            config,
            receiver,
            told: Arc::default(),
        });
        Self { clouds, ledger, bridge }
    }

    fn accept(&self, at: usize, from: &str, text: &str) {
        let message = Inbound::text("m1", text).unwrap();
        self.bridge.accept(&account(&self.clouds[at]), &consumer(from), message).unwrap();
    }

    /// Each account's message reaches its own cloud, and each cloud's notifications its own account.
    fn are_apart(&self) {
        for (at, text) in ["to the first", "to the second"].into_iter().enumerate() {
            self.accept(at, "ada", text);
        }
        self.ledger.expect("ada", "status", &["m1 sent", "m1 sent"]);
        for (cloud, text) in self.clouds.iter().zip(["to the first", "to the second"]) {
            assert_eq!(cloud.with(|cloud| texts_of(cloud, "ada")), [text]);
            let is_own = |note: &crate::ledger::Note| note.account == cloud.account_id();
            self.ledger.wait(|state| {
                let opened = |note: &&crate::ledger::Note| note.what == "changed Created";
                state.taken.iter().filter(opened).any(is_own)
            });
        }
    }
}

pub(crate) fn two_accounts_are_kept_apart<H: Host>() {
    let brands = Brands::new::<H>(quick());
    for cloud in &brands.clouds {
        connect(cloud, &*brands.bridge);
        assert!(brands.bridge.has(&account(cloud)));
    }
    assert!(!brands.bridge.has(&AccountId::new("33334444").unwrap()));
    brands.are_apart();
}

pub(crate) fn one_address_serves_all_accounts<H: Host>() {
    let brands = Brands::new::<H>(quick());
    for cloud in &brands.clouds {
        let webhooks = Webhooks::all_at(brands.bridge.url_for_all());
        cloud.with(|cloud| cloud.set_webhooks(webhooks.retention(Duration::from_secs(600))));
    }
    brands.are_apart();
    // What proves no account is not taken.
    let unproven = brands.bridge.receive_for_all(&Verified::dangerous_unverified("{}"));
    assert_eq!(unproven.unwrap_err().kind(), StoreErrorKind::Refused);
}

pub(crate) fn an_account_that_hangs_holds_up_no_other<H: Host>() {
    // What hangs does so for longer than the test waits for the others.
    let config = quick().attempt_timeout(Duration::from_secs(300)).max_effects(4);
    let brands = Brands::new::<H>(config);
    connect(&brands.clouds[1], &*brands.bridge);
    brands.clouds[0].with(|cloud| cloud.fault("send=delay:300s".parse().unwrap()));
    for number in 0..8 {
        brands.accept(0, &format!("c{number}"), "to one that hangs");
    }
    // Two places of four, and no more.
    let begun = || brands.clouds[0].requests(Endpoint::Send);
    brands.ledger.until("requests that hang", || begun() == 2);
    for number in 0..8 {
        brands.accept(1, &format!("d{number}"), "to one that works");
    }
    for number in 0..8 {
        brands.ledger.expect(&format!("d{number}"), "status", &["m1 sent"]);
    }
    assert_eq!(begun(), 2);
}
