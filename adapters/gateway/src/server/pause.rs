//! Which gateways an operator has paused: kept in the store, for all instances and over restarts.

use std::sync::atomic::Ordering;

use lp_connector_bridge::store::{Answer, Cell, CellId, Request, StoreError, StoreErrorKind};

use super::ask::ask;
use super::core::Core;
use super::gateway::Gateway;
use super::metrics::Metric;

const PAUSED: &[u8] = b"paused";
const RUNNING: &[u8] = b"running";

/// How often a write is tried again after another instance's.
const TRIES: usize = 5;

fn cell(core: &Core, gateway: &Gateway) -> CellId {
    CellId { account: core.home.clone(), key: format!("pause:{}", gateway.name) }
}

/// Reads which gateways are paused. From the first time on, the server has started.
pub(super) async fn refresh(core: &Core) -> Result<(), StoreError> {
    let ids = core.gateways.iter().map(|gateway| cell(core, gateway)).collect();
    let Answer::Cells(cells) = ask(&*core.store, Request::Read(ids)).await? else { return Ok(()) };
    for (gateway, cell) in core.gateways.iter().zip(cells) {
        apply(core, gateway, cell.is_some_and(|cell| cell.value == PAUSED));
    }
    core.is_started.store(true, Ordering::SeqCst);
    Ok(())
}

/// Pauses a gateway, or lets it go on. An error means that nothing of it holds.
pub(super) async fn set(core: &Core, gateway: &Gateway, paused: bool) -> Result<(), StoreError> {
    let id = cell(core, gateway);
    let value = if paused { PAUSED } else { RUNNING };
    for _ in 0..TRIES {
        let cells = match ask(&*core.store, Request::Read(vec![id.clone()])).await? {
            Answer::Cells(cells) => cells,
            _ => Vec::new(),
        };
        let seen = cells.into_iter().next().flatten();
        let is_set = seen.as_ref().is_some_and(|cell| cell.value == value);
        let version = seen.map_or(0, |Cell { version, .. }| version);
        let swap =
            Request::Swap { cell: id.clone(), seen: version, value: value.to_vec(), life: None };
        if is_set || ask(&*core.store, swap).await? == Answer::Swapped(true) {
            apply(core, gateway, paused);
            return Ok(());
        }
    }
    let why = "others keep writing what is to be set";
    Err(StoreError::new(StoreErrorKind::Unavailable, why))
}

fn apply(core: &Core, gateway: &Gateway, paused: bool) {
    if gateway.is_paused() != paused {
        let event = if paused { "gateway_paused" } else { "gateway_resumed" };
        tracing::warn!(target: super::LOG, event, gateway = gateway.name);
    }
    gateway.set_paused(paused);
    core.metrics.set(Metric::GatewayPaused, &[&gateway.name], f64::from(u8::from(paused)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lp_connector_bridge::Memory;

    use super::super::doubles::{block_on, core_over};
    use super::super::logged::logged;
    use super::*;

    #[test]
    fn the_log_says_once_that_a_gateway_is_paused_or_goes_on() {
        let core = core_over(Arc::new(Memory::new()));
        let gateway = core.gateway_named("sms").unwrap();
        let lines = logged(|| {
            block_on(async {
                for paused in [false, true, true, false] {
                    set(&core, gateway, paused).await.unwrap();
                    // Each instance reads every second what holds.
                    refresh(&core).await.unwrap();
                }
            });
        });
        assert_eq!(lines, ["WARN gateway_paused sms", "WARN gateway_resumed sms"]);
    }
}
