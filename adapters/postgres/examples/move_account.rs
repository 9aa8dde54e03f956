//! Moves an account from one database of a bridge to another, while both are served:
//!
//! ```text
//! LP_FROM=postgres://lp@one.example/lp LP_TO=postgres://lp@two.example/lp \
//!     cargo run -p lp-connector-postgres --example move_account 91827364
//! ```
//!
//! When it fails, run it again: it goes on where it was.

use std::env;
use std::error::Error;

use lp_connector_core::id::AccountId;
use lp_connector_postgres::PostgresOptions;

fn main() -> Result<(), Box<dyn Error>> {
    let account = env::args().nth(1).ok_or("which account?")?;
    let account = AccountId::new(account)?;
    // Addresses may hold passwords: they are no arguments.
    let address = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let (from, to) = (address("LP_FROM")?, address("LP_TO")?);
    let moved = PostgresOptions::default().move_account(&account, &from, &to)?;
    println!("{} lanes, {} entries and {} cells", moved.lanes, moved.entries, moved.cells);
    Ok(())
}
