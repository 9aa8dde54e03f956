//! What a server does every second.

use std::sync::Arc;
use std::time::Duration;

use lp_connector_bridge::Bridge;

use super::ask::in_time;
use super::core::Core;
use super::metrics::Metric;
use super::pause;

/// The pause between two turns, and before the store was reached for the first time.
const SECOND: Duration = Duration::from_secs(1);
/// How often programs write themselves down.
const HEARTBEAT: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(50);

/// Ticks, so that a process that does not turn is noticed. It ends with the server.
pub(super) async fn tick(core: Arc<Core>) {
    loop {
        core.ticks.tick();
        tokio::time::sleep(SECOND).await;
    }
}

/// Reads what operators have set in the store. It ends with the server.
pub(super) async fn follow(core: Arc<Core>) {
    loop {
        if let Err(error) = pause::refresh(&core).await {
            tracing::warn!(target: super::LOG, event = "store", cause = %error);
        }
        let pause = if core.is_started() { SECOND } else { FIRST };
        tokio::time::sleep(pause).await;
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
