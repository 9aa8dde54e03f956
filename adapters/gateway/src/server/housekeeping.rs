//! What a server does every second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lp_connector_bridge::Bridge;
use lp_connector_bridge::store::StoreError;

use super::ask::in_time;
use super::core::Core;
use super::metrics::Metric;
use super::pause;

/// The pause between two turns. Before the store was reached for the first time, it begins with [`FIRST`] and grows.
const SECOND: Duration = Duration::from_secs(1);
/// How often programs write themselves down.
const HEARTBEAT: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(50);

/// Ticks, so that a process that does not turn is noticed. It ends with the server.
pub(super) async fn tick(core: Arc<Core>) {
    loop {
        core.ticks.tick(Instant::now());
        tokio::time::sleep(SECOND).await;
    }
}

/// Reads what operators have set in the store. It ends with the server.
pub(super) async fn follow(core: Arc<Core>) {
    let mut pause = FIRST;
    loop {
        let read = pause::refresh(&core).await;
        tell(&core, read.err());
        pause = pause_after(pause, core.is_started());
        tokio::time::sleep(pause).await;
    }
}

/// The pause between two turns, after this one.
fn pause_after(pause: Duration, is_started: bool) -> Duration {
    if is_started { SECOND } else { (pause * 2).min(SECOND) }
}

/// Logs why the store cannot be used, and that it can again.
fn tell(core: &Core, error: Option<StoreError>) {
    let Some(error) = error else {
        if let Some(lasted) = core.trouble.ended(Instant::now()) {
            let seconds = lasted.as_secs_f64();
            tracing::info!(target: super::LOG, event = "store_back", seconds);
        }
        return;
    };
    let Some(news) = core.trouble.failed(&error, Instant::now()) else { return };
    let (attempt, seconds) = (news.times, news.lasted.as_secs_f64());
    match news.lasts {
        true => tracing::error!(
            target: super::LOG, event = "store", attempt, seconds, cause = %error
        ),
        false => tracing::warn!(
            target: super::LOG, event = "store", attempt, seconds, cause = %error
        ),
    }
}

/// Counts the programs on the store. It ends with the server.
pub(super) async fn count_instances(core: Arc<Core>, bridge: Bridge) {
    loop {
        let alive = in_time(bridge.instances()).await;
        // A program that has not written itself down yet is there all the same.
        let count = alive.as_ref().map_or(0, Vec::len).max(1);
        match alive {
            Ok(_) => core.metrics.set(Metric::Instances, &[], count as f64),
            Err(error) => tracing::debug!(target: super::LOG, event = "store", cause = %error),
        }
        tokio::time::sleep(if core.is_started() { HEARTBEAT } else { SECOND }).await;
    }
}

#[cfg(test)]
mod tests {
    use lp_connector_bridge::store::StoreErrorKind;

    use super::super::doubles::{AwayStore, core_over};
    use super::super::logged::logged;
    use super::*;

    #[test]
    fn a_store_that_is_not_there_yet_is_asked_ever_more_seldom() {
        let mut pause = FIRST;
        let mut next = || {
            pause = pause_after(pause, false);
            pause.as_millis()
        };
        let pauses: Vec<u128> = (0..6).map(|_| next()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause_after(FIRST, true).as_millis(), 1000, "it is there");
    }

    #[test]
    fn the_log_says_that_the_store_fails_and_is_back() {
        let core = core_over(Arc::new(AwayStore::new()));
        let fails = |kind| tell(&core, Some(StoreError::new(kind, "no")));
        let lines = logged(|| {
            tell(&core, None);
            fails(StoreErrorKind::Unavailable);
            tell(&core, None);
            fails(StoreErrorKind::Unreadable);
        });
        assert_eq!(lines, ["WARN store", "INFO store_back", "ERROR store"]);
    }
}
