//! An account moves from one database to another, in steps that can be taken up again.

mod side;

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use lp_connector_core::id::AccountId;

use self::side::{Side, Table, state};
use crate::PostgresOptions;
use crate::connection::Server;
use crate::migration::MIGRATIONS;

/// What a [move](PostgresOptions::move_account) has brought to the other database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Moved {
    /// The lanes: consumers, conversations and what else has a record.
    pub lanes: u64,
    /// The entries that wait in them.
    pub entries: u64,
    /// The cells that do not expire.
    pub cells: u64,
}

pub(crate) async fn move_account(
    options: &PostgresOptions,
    account: &AccountId,
    from: &Server,
    to: &Server,
) -> Result<Moved, StoreError> {
    // Tables first: what fails there changes nothing.
    for server in [from, to] {
        let migrated = options.prepare(server).await?;
        if !migrations().any(|version| version == migrated.to) {
            return Err(StoreError::new(
                Kind::Incompatible,
                "the account is not moved: the tables are those of a newer release. Use that one",
            ));
        }
    }
    let from = Side::new(from.connect().await?, account);
    let to = Side::new(to.connect().await?, account);
    if from.identity().await? == to.identity().await? {
        return Err(refused("both addresses are of the same database"));
    }
    let name = match (from.known().await?, to.known().await?) {
        // It is over.
        (Some((state::ELSEWHERE, _)), None | Some((state::OPEN, _))) => return to.counts().await,
        (Some((state::ELSEWHERE, out)), Some((state::COME, own))) if out == own => own,
        (Some((state::AWAY, out)), Some((state::COME, own))) if out == own => {
            change(&from, Some((state::AWAY, out)), state::ELSEWHERE, &own).await?;
            own
        }
        (Some((state::AWAY, out)), Some((state::COMING, own))) if out == own => {
            bring(&from, &to, &own).await?;
            own
        }
        (known @ (None | Some((state::OPEN, _))), Some((state::COMING, own))) => {
            change(&from, known, state::AWAY, &own).await?;
            bring(&from, &to, &own).await?;
            own
        }
        (
            here @ (None | Some((state::OPEN, _))),
            there @ (None | Some((state::OPEN | state::ELSEWHERE, _))),
        ) => {
            if !from.has_anything().await? {
                return Err(refused("the database that it is to leave has nothing of the account"));
            }
            if to.counts().await?.lanes > 0 {
                return Err(refused("both databases have lanes of the account"));
            }
            from.wait_for_old_calls().await?;
            let name = to.new_name().await?;
            change(&to, there, state::COMING, &name).await?;
            if let Err(error) = change(&from, here, state::AWAY, &name).await {
                // Another program was faster. It does not come this way: whoever looks for it here is told.
                change(&to, Some((state::COMING, name.clone())), state::ELSEWHERE, &name).await?;
                return Err(error);
            }
            bring(&from, &to, &name).await?;
            name
        }
        // The way back while it is on its way: the move is given up.
        (Some((state::COMING, out)), Some((state::AWAY, own))) if out == own => {
            change(&from, Some((state::COMING, out)), state::ELSEWHERE, &own).await?;
            change(&to, Some((state::AWAY, own.clone())), state::COME, &own).await?;
            own
        }
        (Some((state::ELSEWHERE, out)), Some((state::AWAY, own))) if out == own => {
            change(&to, Some((state::AWAY, out)), state::COME, &own).await?;
            own
        }
        _ => {
            return Err(refused(
                "another move of the account is not over: end it first, with the addresses that it had, or give it up, \
                 with those the other way round",
            ));
        }
    };
    to.unpark(&name).await?;
    from.remove(&name).await?;
    let brought = to.counts().await?;
    to.forget(&name).await?;
    Ok(brought)
}

/// The versions of the tables whose every column is copied.
fn migrations() -> impl Iterator<Item = u32> {
    MIGRATIONS.iter().map(|one| one.version.unsigned_abs())
}

async fn change(
    side: &Side,
    known: Option<(i16, String)>,
    state: i16,
    name: &str,
) -> Result<(), StoreError> {
    match side.close(known.as_ref(), state, name).await? {
        true => Ok(()),
        false => Err(StoreError::new(
            Kind::Unavailable,
            "another program moves the account at this moment: repeat it",
        )),
    }
}

/// Copies an account that is closed where it is, and opens it where it is to be.
async fn bring(from: &Side, to: &Side, name: &str) -> Result<(), StoreError> {
    from.park(name).await?;
    for table in [Table::Lanes, Table::Entries, Table::Cells] {
        to.receive(from, table, name).await?;
    }
    let (there, here) = (from.counts().await?, to.counts().await?);
    // A cell may be there before the account: where a new account was given to.
    if (there.lanes, there.entries) != (here.lanes, here.entries) || there.cells > here.cells {
        return Err(StoreError::new(
            Kind::Damaged,
            format!(
                "not everything has come over, and the account stays closed: {there:?}, {here:?}"
            ),
        ));
    }
    to.draw_from(name, from.last_number().await?).await?;
    change(to, Some((state::COMING, name.to_owned())), state::COME, name).await?;
    change(from, Some((state::AWAY, name.to_owned())), state::ELSEWHERE, name).await
}

fn refused(why: &str) -> StoreError {
    StoreError::new(Kind::Refused, format!("the account is not moved: {why}"))
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
