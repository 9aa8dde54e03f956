//! The log of a bridge: one line for each event, with known fields alone.
//!
//! Whatever is not in [`FIELDS`](line::FIELDS) is dropped, so that no text, name or token gets here by a field that
//! somebody adds elsewhere. Lines are bounded. A stderr that takes nothing costs lines, and stops nothing.

mod layer;
mod line;
mod writer;

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use lp_connector_core::secret::Secret;
use lp_connector_core::webhook::{Algorithm, Encoding, sign};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::layer::LogLayer;
use self::line::Fields;
use self::writer::Writer;

/// The target of this program's own events.
pub(crate) const TARGET: &str = "lp_connector_cli";

/// How long the end of the program waits for the lines that are not written yet.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

/// How a consumer's id is shown.
#[derive(Clone, Debug)]
pub(crate) enum Consumers {
    /// As 12 hex digits of an HMAC under this key: the same ones for the same consumer.
    Hashed(Secret),
    Plain,
    None,
}

impl Consumers {
    /// Hashed under a key that is derived from a secret.
    pub(crate) fn hashed(secret: &Secret) -> Self {
        let key =
            sign(secret, Algorithm::Sha256, Encoding::Hex, b"lp-connector: consumers in the log");
        Self::Hashed(Secret::new(key))
    }

    fn show(&self, consumer: &str) -> Option<String> {
        match self {
            Self::Hashed(key) => {
                let mac = sign(key, Algorithm::Sha256, Encoding::Hex, consumer.as_bytes());
                let hex = mac.rsplit('=').next()?;
                hex.get(..12).map(str::to_owned)
            }
            Self::Plain => Some(consumer.to_owned()),
            Self::None => None,
        }
    }
}

/// The log of this process. Clones are of the same one.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    level: AtomicU8,
    format: LogFormat,
    consumers: Consumers,
    writer: Writer,
}

impl Log {
    /// Starts the log: from here on it takes the events of this process, and panics.
    pub(crate) fn start(level: Level, format: LogFormat, consumers: Consumers) -> Self {
        let level = AtomicU8::new(rank(level));
        let writer = Writer::start(crate::output::Stderr, move |lines| {
            let mut fields = Fields::default();
            fields.put_text("event", "lines_lost");
            fields.put_text("cause", &format!("stderr took too little: {lines} lines"));
            line::line(format, &now(), Level::WARN, &fields)
        });
        let log = Self(Arc::new(Shared { level, format, consumers, writer }));
        // A second one in the same process has no effect: there is one.
        let _ = tracing_subscriber::registry().with(LogLayer(log.clone())).try_init();
        let panics = log.clone();
        panic::set_hook(Box::new(move |info| {
            // What a panic says may quote anything: its place is enough.
            let place = info.location().map_or("an unknown place".to_owned(), ToString::to_string);
            let mut fields = Fields::default();
            fields.put_text("event", "panic");
            fields.put_text("cause", &place);
            panics.write(Level::ERROR, fields);
        }));
        log
    }

    /// Sets the least level from here on.
    pub(crate) fn set_level(&self, level: Level) {
        self.0.level.store(rank(level), Ordering::Relaxed);
    }

    /// Waits until what was logged is written, for a while.
    pub(crate) fn finish(&self) {
        self.0.writer.flush(LAST_LINES);
    }

    fn takes(&self, level: Level) -> bool {
        rank(level) <= self.0.level.load(Ordering::Relaxed)
    }

    fn write(&self, level: Level, fields: Fields) {
        let fields = fields.with_consumer(|consumer| self.0.consumers.show(consumer));
        self.0.writer.write(line::line(self.0.format, &now(), level, &fields));
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

/// 1 for errors to 5 for everything.
fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The level with a name in the configuration.
pub(crate) fn level(name: &str) -> Level {
    name.parse().unwrap_or(Level::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hashed_consumer_is_known_again_and_not_guessed() {
        let consumers = Consumers::hashed(&Secret::new("s3cr3t".to_owned()));
        let shown = consumers.show("sms:+41790000001").unwrap();
        assert!(shown.len() == 12 && shown.bytes().all(|byte| byte.is_ascii_hexdigit()), "{shown}");
        assert_eq!(consumers.show("sms:+41790000001").unwrap(), shown);
        assert_ne!(consumers.show("sms:+41790000002").unwrap(), shown);
        let others = Consumers::hashed(&Secret::new("s3cr3t2".to_owned()));
        assert_ne!(others.show("sms:+41790000001").unwrap(), shown);
        assert_eq!(Consumers::None.show("ada"), None);
        assert_eq!(Consumers::Plain.show("ada").as_deref(), Some("ada"));
    }
}
