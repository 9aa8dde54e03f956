//! What a server does every second.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::pause;

/// The pause between two turns, and before the store was reached for the first time.
const SECOND: Duration = Duration::from_secs(1);
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
