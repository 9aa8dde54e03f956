//! The address of the server.

use std::net::IpAddr;
use std::time::Duration;

use lp_connector_core::bridge::store::{StoreError, StoreErrorKind as Kind};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Reads an address. Its errors quote nothing of it: it may hold a password.
pub(crate) fn config(url: &str, time_limit: Duration) -> Result<Config, StoreError> {
    // A certificate is always checked, with its name.
    let strict = url.replace("sslmode=verify-full", "sslmode=require");
    let strict = strict.replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config = strict.parse().map_err(|_| {
        StoreError::new(
            Kind::Denied,
            "the address of the PostgreSQL server cannot be read: it has the form \
             postgres://user:password@host:port/database",
        )
    })?;
    // What goes over a network is never in the clear, unless the address says so.
    if config.get_ssl_mode() == SslMode::Prefer && !is_local(&config) {
        config.ssl_mode(SslMode::Require);
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("lp-connector");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(2));
    }
    config.tcp_user_timeout(time_limit).keepalives_idle(Duration::from_secs(10));
    Ok(config)
}

/// True if all hosts are this machine.
fn is_local(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    let hosts = config.get_hosts();
    match addresses.is_empty() {
        true => hosts.iter().all(is_local_host),
        false => addresses.iter().all(IpAddr::is_loopback),
    }
}

fn is_local_host(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|one| one.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_in_the_clear_unless_it_is_said() {
        let cases = [
            ("postgres://lp@localhost/lp", SslMode::Prefer),
            ("postgres://lp@127.0.0.1/lp", SslMode::Prefer),
            ("postgres://lp@127.9.9.9/lp", SslMode::Prefer),
            ("host=::1 user=lp", SslMode::Prefer),
            ("host=/run/postgresql user=lp", SslMode::Prefer),
            ("host=db.example hostaddr=127.0.0.1 user=lp", SslMode::Prefer),
            ("postgres://lp@localhost/lp?sslmode=require", SslMode::Require),
            ("postgres://lp@localhost/lp?sslmode=verify-full", SslMode::Require),
            ("postgres://lp@db.example/lp", SslMode::Require),
            ("postgres://lp@db.example/lp?sslmode=prefer", SslMode::Require),
            ("postgres://lp@db.example/lp?sslmode=verify-ca", SslMode::Require),
            ("host=db.example user=lp sslmode=verify-full", SslMode::Require),
            ("postgres://lp@10.0.0.1/lp", SslMode::Require),
            ("postgres://lp@localhost,db.example/lp", SslMode::Require),
            ("host=localhost hostaddr=10.0.0.1 user=lp", SslMode::Require),
            ("postgres://lp@db.example/lp?sslmode=disable", SslMode::Disable),
        ];
        for (url, expected) in cases {
            assert_eq!(config(url, Duration::ZERO).unwrap().get_ssl_mode(), expected, "{url}");
        }
    }

    #[test]
    fn no_error_quotes_the_address() {
        for url in [
            "postgres://lp:hunter2@db.example:x/lp",
            "postgres://lp:hunter2@db.example/lp?hunter2=1",
            "postgres://lp@db.example/lp?sslmode=hunter2",
            "host=db.example password='hunter2",
            "hunter2",
        ] {
            let error = config(url, Duration::ZERO).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
