//! Connects to a PostgreSQL server, and says what to do where that fails.

use lp_connector_bridge::store::{StoreError, StoreErrorKind};
use lp_connector_postgres::{Postgres, PostgresOptions};

use super::store::PostgresUrl;
use super::values::Values;
use crate::failure::Failure;
use crate::setup;

/// Connects, checks the server and brings its tables up to date.
pub(super) fn connect(url: &PostgresUrl, values: &Values) -> Result<Postgres, Failure> {
    let whole = url.with_password(values.secrets("store_password").first());
    let connected = options(values)?.connect(whole.expose());
    connected.map_err(|error| failed(url, &error))
}

/// Checks the URL, without connecting. The reason quotes nothing of it.
pub(super) fn check(url: &PostgresUrl, values: &Values) -> Result<(), String> {
    // What is wrong with the certificates is said of their file.
    let whole = url.with_password(values.secrets("store_password").first());
    let checked = PostgresOptions::default().check(whole.expose());
    checked.map_err(|_| {
        "the URL cannot be read: postgres://USER@HOST:PORT/DATABASE is wanted, with a port up to 65535, and \
         parameters such as ?sslmode=verify-full"
            .to_owned()
    })
}

/// Brings the tables up to date. From which version to which.
pub(super) fn migrate(url: &PostgresUrl, values: &Values) -> Result<(u32, u32), Failure> {
    let whole = url.with_password(values.secrets("store_password").first());
    let migrated = options(values)?.migrate_now(whole.expose());
    migrated.map(|done| (done.from, done.to)).map_err(|error| failed(url, &error))
}

fn options(values: &Values) -> Result<PostgresOptions, Failure> {
    let mut options = PostgresOptions::default();
    let connections = values.number("store_connections").and_then(|one| usize::try_from(one).ok());
    if let Some(connections) = connections {
        options = options.connections(connections);
    }
    if let Some(may) = values.yes("store_migrate") {
        options = options.migrate(may);
    }
    if let Some(file) = values.file("store_ca_file") {
        options = options.extra_ca_pem(setup::certificates_in(file, "store_ca_file")?);
    }
    Ok(match values.yes("accept_loss_on_failover") {
        Some(true) => options.accept_loss_on_failover(),
        _ => options,
    })
}

/// The failure with the server's place, and with what to do.
fn failed(url: &PostgresUrl, error: &StoreError) -> Failure {
    let advice = advice(error.kind(), &error.to_string());
    Failure::Local(format!("the store {url}: {error}{advice}"))
}

/// What an operator does about it.
fn advice(kind: StoreErrorKind, text: &str) -> &'static str {
    let says = |part: &str| text.contains(part);
    match kind {
        _ if says("28P01") || says("28000") || says("password") => {
            "; the user is in store, the password is store_password_file or LP_STORE_PASSWORD, and pg_hba.conf of \
             the server decides who may connect from where"
        }
        _ if says("3D000") => "; make it: createdb --owner=USER DATABASE",
        _ if says("42501") => "; the user must own the database, or may create in its schema",
        StoreErrorKind::Incompatible
            if says("lose what it acknowledged") && says("standby servers") =>
        {
            "; accept_loss_on_failover = true accepts it"
        }
        StoreErrorKind::Unavailable if says("no connection") => {
            "; is a server there, and may this machine reach it?"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_the_start_has_its_advice() {
        use StoreErrorKind::{Denied, Incompatible, Unavailable};
        for (kind, text, expected) in [
            (
                Unavailable,
                "no connection to the server: connecting: Connection refused",
                "is a server there",
            ),
            (
                Denied,
                "no connection: password authentication failed (28P01)",
                "store_password_file",
            ),
            (Denied, "no connection: no pg_hba.conf entry for host (28000)", "pg_hba.conf"),
            (Denied, "no connection: database \"lp\" does not exist (3D000)", "createdb"),
            (Denied, "permission denied for schema public (42501)", "must own the database"),
            (
                Incompatible,
                "the server could lose what it acknowledged: it has 1 standby servers",
                "accept_loss_on_failover = true",
            ),
            (Incompatible, "PostgreSQL 12 is older than 13", ""),
        ] {
            let found = advice(kind, text);
            assert!(
                found.contains(expected) && found.is_empty() == expected.is_empty(),
                "{text}: {found}"
            );
        }
    }
}
