//! What the promise of durability rests on, asked of each connection and now and then.

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use tokio_postgres::Client;

use crate::error::store_error;

const LEAST_VERSION: i32 = 130_000;

/// The losses that somebody accepts on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted {
    /// When the machine dies.
    pub(crate) crash: bool,
    /// When a standby is promoted that gets everything late.
    pub(crate) failover: bool,
}

/// Refuses a server that would lose what it acknowledged, unless that is accepted.
pub(crate) async fn check(client: &Client, accepted: Accepted) -> Result<(), StoreError> {
    let facts = client
        .query_typed(
            "SELECT current_setting('server_version_num')::integer,
                current_setting('fsync'), current_setting('full_page_writes'),
                current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
                (SELECT count(*) FROM pg_stat_replication AS sender
                    WHERE state IS DISTINCT FROM 'backup' AND NOT EXISTS (
                        SELECT FROM pg_replication_slots AS slot
                        WHERE slot.active_pid = sender.pid AND slot.slot_type = 'logical'))
                    + (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active)",
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
    let standbys = count(5)?;
    match loss(&settings, standbys, accepted) {
        Some(reason) => Err(StoreError::new(
            Kind::Incompatible,
            format!("the PostgreSQL server could lose what it acknowledged: {reason}"),
        )),
        None => Ok(()),
    }
}

/// Why something could be lost that nobody accepts. `settings` are `fsync`, `full_page_writes`, `synchronous_commit` and
/// `synchronous_standby_names`.
fn loss(settings: &[String], standbys: i64, accepted: Accepted) -> Option<String> {
    let setting = |place: usize| settings.get(place).map(String::as_str).unwrap_or_default();
    let on = |name: &str| {
        format!("{name} is off: a crash of the machine loses commits. Set {name} = on")
    };
    // While it names a standby, commits wait for that one, whether it is there or not.
    let has_names = !setting(3).is_empty();
    let in_crash = if setting(0) != "on" {
        Some(on("fsync"))
    } else if setting(1) != "on" {
        Some(on("full_page_writes"))
    } else {
        match setting(2) {
            "on" | "remote_apply" => None,
            // Enough for one machine.
            "local" | "remote_write" if standbys == 0 && !has_names => None,
            other => Some(format!(
                "synchronous_commit is {other}: commits are acknowledged before they are safe. Set \
                 synchronous_commit = on"
            )),
        }
    };
    let in_failover = (standbys > 0 && !has_names).then(|| {
        format!(
            "it has {standbys} standby servers and none is synchronous: when one of them is promoted, the last \
             commits are gone. Set synchronous_standby_names, or accept the loss on purpose"
        )
    });
    in_crash.filter(|_| !accepted.crash).or_else(|| in_failover.filter(|_| !accepted.failover))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_accepted_by_itself() {
        let settings = ["off", "on", "on", ""].map(String::from);
        let reason = |crash, failover| loss(&settings, 1, Accepted { crash, failover });
        let names = |reason: Option<String>, name: &str| reason.is_some_and(|it| it.contains(name));
        assert!(names(reason(false, false), "fsync") && names(reason(false, true), "fsync"));
        assert!(names(reason(true, false), "standby"));
        assert_eq!(reason(true, true), None);
    }

    #[test]
    fn each_setting_that_loses_is_found() {
        let cases = [
            (["on", "on", "on", ""], 0, ""),
            (["on", "on", "remote_apply", "*"], 2, ""),
            (["on", "on", "local", ""], 0, ""),
            (["off", "on", "on", ""], 0, "fsync"),
            (["on", "off", "on", ""], 0, "full_page_writes"),
            (["on", "on", "off", ""], 0, "synchronous_commit"),
            (["on", "on", "local", "*"], 1, "synchronous_commit"),
            (["on", "on", "remote_write", ""], 1, "synchronous_commit"),
            (["on", "on", "on", ""], 1, "synchronous_standby_names"),
            (["on", "on", "on", "*"], 2, ""),
        ];
        for (settings, standbys, named) in cases {
            let reason = loss(&settings.map(String::from), standbys, Accepted::default());
            let named_in = reason.as_deref().is_some_and(|reason| reason.contains(named));
            assert_eq!(named_in, !named.is_empty(), "{settings:?} {standbys}: {reason:?}");
        }
    }
}
