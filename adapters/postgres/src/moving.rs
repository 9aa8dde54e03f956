//! An account moves from one database to another, in steps that can be taken up again.

mod side;

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use lp_connector_core::id::AccountId;

use self::side::{Side, Table, state};
use crate::PostgresOptions;
use crate::connection::Server;

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
    options.prepare(from).await?;
    options.prepare(to).await?;
    let from = Side::new(from.connect().await?, account);
    let to = Side::new(to.connect().await?, account);
    match (from.known().await?, to.known().await?) {
        // It is over, or all but over.
        (Some((state::ELSEWHERE, _)), None) => {}
        (Some((state::ELSEWHERE, out)), Some((state::COME, own))) if out == own => {}
        (Some((state::AWAY, out)), Some((state::COME, own))) if out == own => {
            from.close(state::ELSEWHERE, &out).await?;
        }
        (Some((state::AWAY, out)), Some((state::COMING, own))) if out == own => {
            bring(&from, &to, &out).await?;
        }
        (None, Some((state::COMING, own))) => bring(&from, &to, &own).await?,
        (None, None | Some((state::ELSEWHERE, _))) => {
            if !from.has_anything().await? {
                return Err(refused("the database that it is to leave has nothing of the account"));
            }
            if to.counts().await?.lanes > 0 {
                return Err(refused("both databases have lanes of the account"));
            }
            let name = to.new_name().await?;
            to.close(state::COMING, &name).await?;
            if from.known().await?.is_some() {
                to.forget().await?;
                return Err(refused("both addresses are of the same database"));
            }
            bring(&from, &to, &name).await?;
        }
        _ => {
            return Err(refused(
                "another move of the account is not over: end it first, with the addresses that it had",
            ));
        }
    }
    to.unpark().await?;
    from.remove().await?;
    let brought = to.counts().await?;
    to.forget().await?;
    Ok(brought)
}

/// Closes the account where it is, copies it, and opens it where it is to be.
async fn bring(from: &Side, to: &Side, name: &str) -> Result<(), StoreError> {
    from.close(state::AWAY, name).await?;
    from.park().await?;
    for table in [Table::Lanes, Table::Entries, Table::Cells] {
        to.receive(from, table).await?;
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
    to.draw_from(from.last_number().await?).await?;
    to.close(state::COME, name).await?;
    from.close(state::ELSEWHERE, name).await
}

fn refused(why: &str) -> StoreError {
    StoreError::new(Kind::Refused, format!("the account is not moved: {why}"))
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod tests;
