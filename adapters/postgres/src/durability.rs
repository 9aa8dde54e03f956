//! What the promise of durability rests on, asked at the start.

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use tokio_postgres::Client;

use crate::error::store_error;

const LEAST_VERSION: i32 = 130_000;

/// Refuses a server that would lose what it acknowledged, unless that is accepted.
pub(crate) async fn check(client: &Client, accepts_loss: bool) -> Result<(), StoreError> {
    let facts = client
        .query_typed(
            "SELECT current_setting('server_version_num')::integer,
                current_setting('fsync'), current_setting('full_page_writes'),
                current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
                (SELECT count(*) FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'),
                (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
                (SELECT count(*) FROM pg_stat_replication WHERE state IS NULL)",
            &[],
        )
        .await
        .map_err(|error| store_error(error, "the PostgreSQL server's settings cannot be read"))?;
    let Some(facts) = facts.first() else { return Ok(()) };
    let read = |error| store_error(error, "the PostgreSQL server's settings cannot be read");
    let version: i32 = facts.try_get(0).map_err(read)?;
    if version < LEAST_VERSION {
        let text = format!("PostgreSQL {} is older than 13", version / 10_000);
        return Err(StoreError::new(Kind::Incompatible, text));
    }
    let mut settings = Vec::new();
    for column in 1..=4 {
        settings.push(facts.try_get::<_, String>(column).map_err(read)?);
    }
    let count = |column: usize| facts.try_get::<_, i64>(column).map_err(read);
    let (standbys, mut synchronous) = (count(5)?, count(6)?);
    // A user without `pg_read_all_stats` sees that there are standbys, and no more. Commits wait for one if its name is
    // set, whether it is there or not.
    if count(7)? > 0 && settings.get(3).is_some_and(|names| !names.is_empty()) {
        synchronous = synchronous.max(1);
    }
    match loss(&settings, standbys, synchronous) {
        Some(reason) if !accepts_loss => Err(StoreError::new(
            Kind::Incompatible,
            format!("the PostgreSQL server could lose what it acknowledged: {reason}"),
        )),
        _ => Ok(()),
    }
}

/// Why something could be lost. `settings` are `fsync`, `full_page_writes`, `synchronous_commit` and
/// `synchronous_standby_names`.
fn loss(settings: &[String], standbys: i64, synchronous: i64) -> Option<String> {
    let setting = |place: usize| settings.get(place).map(String::as_str).unwrap_or_default();
    let on = |name: &str| {
        format!("{name} is off: a crash of the machine loses commits. Set {name} = on")
    };
    if setting(0) != "on" {
        return Some(on("fsync"));
    }
    if setting(1) != "on" {
        return Some(on("full_page_writes"));
    }
    let needs_standby = standbys > 0 || !setting(3).is_empty();
    match setting(2) {
        "on" | "remote_apply" => {}
        // Enough for one machine.
        "local" | "remote_write" if !needs_standby => {}
        other => {
            return Some(format!(
                "synchronous_commit is {other}: commits are acknowledged before they are safe. Set \
                 synchronous_commit = on"
            ));
        }
    }
    (standbys > synchronous && synchronous == 0).then(|| {
        format!(
            "it has {standbys} standby servers and none is synchronous: when one of them is promoted, the last \
             commits are gone. Set synchronous_standby_names, or accept the loss on purpose"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_loses_is_found() {
        let cases = [
            (["on", "on", "on", ""], 0, 0, ""),
            (["on", "on", "remote_apply", "*"], 2, 1, ""),
            (["on", "on", "local", ""], 0, 0, ""),
            (["off", "on", "on", ""], 0, 0, "fsync"),
            (["on", "off", "on", ""], 0, 0, "full_page_writes"),
            (["on", "on", "off", ""], 0, 0, "synchronous_commit"),
            (["on", "on", "local", "*"], 1, 1, "synchronous_commit"),
            (["on", "on", "remote_write", ""], 1, 0, "synchronous_commit"),
            (["on", "on", "on", ""], 1, 0, "synchronous_standby_names"),
            (["on", "on", "on", "*"], 2, 0, "synchronous_standby_names"),
        ];
        for (settings, standbys, synchronous, named) in cases {
            let reason = loss(&settings.map(String::from), standbys, synchronous);
            let named_in = reason.as_deref().is_some_and(|reason| reason.contains(named));
            assert_eq!(named_in, !named.is_empty(), "{settings:?} {standbys}: {reason:?}");
        }
    }
}
