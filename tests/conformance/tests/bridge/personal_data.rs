//! What a store's file tells whoever finds it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lp_connector_bridge::store::{Answer, LaneKind, Listed, Request, Store};
use lp_connector_bridge::{Inbound, Opening, Sealed, StoreKey};
use lp_connector_core::file::File;
use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Receiver, Verified};
use lp_connector_sandbox::{Agent, Server};
use lp_connector_sqlite::{Sqlite, SqliteOptions};

use crate::hosts::{Host, Running, Setup};
use crate::ledger::{Act, Ledger, PATIENCE};
use crate::wire::{account, cloud, config, connect, consumer, quick};

const WORDS: [&str; 5] =
    ["a private word", "a word of an agent", "Lovelace", "a caption", "refused word"];

/// A bridge on a file.
struct OnFile {
    cloud: Server,
    ledger: Arc<Ledger>,
    bridge: Arc<dyn Running>,
    store: Arc<dyn Store>,
    directory: tempfile::TempDir,
}

impl OnFile {
    fn new<H: Host>(key: Option<StoreKey>) -> Self {
        let cloud = cloud("91827364", &Arc::default());
        let (ledger, directory) = (Ledger::new(), tempfile::tempdir().unwrap());
        let options = SqliteOptions::default().journal_age(Duration::ZERO);
        let file: Sqlite = options.open(directory.path().join("bridge.db")).unwrap();
        let store: Arc<dyn Store> = match key {
            Some(key) => Arc::new(Sealed::new(file, key)),
            None => Arc::new(file),
        };
        let bridge = H::start(Setup {
            configs: vec![config(&cloud)],
            store: store.clone(),
            ledger: ledger.clone(),
            config: quick().refused_tries(1),
            receiver: Receiver::new().secret(Secret::new(cloud.client_secret())),
            told: Arc::default(),
        });
        connect(&cloud, &*bridge);
        Self { cloud, ledger, bridge, store, directory }
    }

    fn agent(&self, text: &str) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        self.cloud.with(|cloud| {
            let id = cloud.messages()[0].conversation.clone();
            cloud.agent(now, &id, Agent::Text(text.to_owned(), Vec::new())).unwrap();
        });
    }

    /// Something of everything: texts both ways, a name, a file, a dead letter, something unreadable.
    fn use_it(&self) {
        let mut opening = Opening::default();
        opening.last_name = Some(WORDS[2].to_owned());
        let ada = consumer("ada");
        let text = Inbound::text("m1", WORDS[0]).unwrap().opening(opening).unwrap();
        let picture = File::new("ring.png", vec![7, 7, 7]).unwrap().caption(WORDS[3]);
        for message in [text, Inbound::file("m2", picture).unwrap()] {
            self.bridge.accept(&account(&self.cloud), &ada, message).unwrap();
        }
        self.ledger.expect("ada", "status", &["m1 sent", "m2 sent"]);
        self.ledger.script(|note| match note.what.contains(WORDS[4]) {
            true => Act::Refuse,
            false => Act::Take,
        });
        self.agent(WORDS[4]);
        self.agent(WORDS[1]);
        self.ledger.expect("ada", "text", &[WORDS[1]]);
        self.bridge.receive(&Verified::dangerous_unverified(WORDS[0])).unwrap();
        let letters = || self.bridge.dead_letters(None, 10).unwrap().items.len();
        self.ledger.until("dead letters", || letters() == 2);
    }

    fn lanes(&self, kind: LaneKind) -> usize {
        let what = Listed::Lanes { account: None, kind };
        match self.store.perform(Request::List { what, after: None, limit: 100 }).unwrap() {
            Answer::Listed(lanes) => lanes.len(),
            other => panic!("{other:?}"),
        }
    }

    /// Which of these the files hold.
    fn holds(&self, words: &[&str]) -> Vec<String> {
        let bytes = all_bytes(self.directory.path());
        let holds = |word: &&&str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        words.iter().filter(holds).map(|word| (*word).to_owned()).collect()
    }
}

fn all_bytes(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// The client's secret, and how a JWT begins.
fn secrets(cloud: &Server) -> Vec<String> {
    let begins = ["eyJ0eXAi", "eyJraWQi", "eyJhbGci"].map(str::to_owned);
    begins.into_iter().chain([cloud.client_secret().to_string()]).collect()
}

pub(crate) fn a_sealed_file_tells_nothing<H: Host>() {
    for key in [None, Some(StoreKey::from_bytes(&[7; 32]))] {
        let is_sealed = key.is_some();
        let it = OnFile::new::<H>(key);
        it.use_it();
        let secrets = secrets(&it.cloud);
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        // Neither a secret nor a token is ever stored.
        assert_eq!(it.holds(&secrets), Vec::<String>::new());
        let expected: &[&str] = if is_sealed { &[] } else { &WORDS };
        let found = it.holds(&WORDS);
        // What was sent may be gone already; what was set aside is there.
        assert!(found.iter().all(|word| expected.contains(&word.as_str())), "{found:?}");
        assert_eq!(found.contains(&WORDS[4].to_owned()), !is_sealed);
        assert!(it.bridge.drain(PATIENCE));
    }
}

pub(crate) fn a_forgotten_consumer_leaves_no_trace<H: Host>() {
    let it = OnFile::new::<H>(None);
    it.use_it();
    it.bridge.forget(&consumer("ada")).unwrap();
    it.ledger.until("nothing", || {
        it.lanes(LaneKind::Consumer) + it.lanes(LaneKind::Conversation) + it.lanes(LaneKind::Status)
            == 0
            && it.lanes(LaneKind::DeadLetter) == 1
    });
    // What nobody could read is nobody's.
    for letter in it.bridge.dead_letters(None, 10).unwrap().items {
        it.bridge.delete(&letter.id).unwrap();
    }
    it.ledger.until("nothing", || it.lanes(LaneKind::DeadLetter) == 0);
    // The journal is emptied after the answer.
    it.ledger.until("no bytes", || it.holds(&WORDS).is_empty());
    assert!(it.bridge.drain(PATIENCE));
}
