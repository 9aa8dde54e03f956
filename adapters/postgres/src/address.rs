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

/// The same for each host alone.
pub(crate) fn hosts(config: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) =
        (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    let alone = |at: usize| {
        let mut one = Config::new();
        match hosts.get(at) {
            Some(Host::Tcp(name)) => {
                one.host(name);
            }
            #[cfg(unix)]
            Some(Host::Unix(path)) => {
                one.host_path(path);
            }
            None => {}
        }
        if let Some(address) = addresses.get(at) {
            one.hostaddr(*address);
        }
        // One port counts for all.
        if let Some(port) = ports.get(at).or_else(|| ports.first()) {
            one.port(*port);
        }
        if let Some(user) = config.get_user() {
            one.user(user);
        }
        if let Some(password) = config.get_password() {
            one.password(password);
        }
        if let Some(name) = config.get_dbname() {
            one.dbname(name);
        }
        if let Some(options) = config.get_options() {
            one.options(options);
        }
        if let Some(name) = config.get_application_name() {
            one.application_name(name);
        }
        if let Some(time) = config.get_connect_timeout() {
            one.connect_timeout(*time);
        }
        if let Some(time) = config.get_tcp_user_timeout() {
            one.tcp_user_timeout(*time);
        }
        if let Some(time) = config.get_keepalives_interval() {
            one.keepalives_interval(time);
        }
        if let Some(count) = config.get_keepalives_retries() {
            one.keepalives_retries(count);
        }
        one.ssl_mode(config.get_ssl_mode())
            .ssl_negotiation(config.get_ssl_negotiation())
            .channel_binding(config.get_channel_binding())
            .keepalives(config.get_keepalives())
            .keepalives_idle(config.get_keepalives_idle())
            .target_session_attrs(config.get_target_session_attrs());
        one
    };
    (0..count).map(alone).collect()
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
    fn each_host_has_all_of_the_address() {
        let url = "postgres://lp:secret@a.example:1,b.example:2/db?options=-csearch_path%3Dx";
        let both = config(url, Duration::from_secs(3)).unwrap();
        let hosts = hosts(&both);
        let alone = |host: &str| {
            let url = format!("postgres://lp:secret@{host}/db?options=-csearch_path%3Dx");
            config(&url, Duration::from_secs(3)).unwrap()
        };
        assert_eq!(hosts, [alone("a.example:1"), alone("b.example:2")]);
        let one_port = config("host=a,b port=7 user=lp", Duration::ZERO).unwrap();
        assert!(super::hosts(&one_port).iter().all(|host| host.get_ports() == [7]));
        let paths = config("host=/run/a hostaddr=127.0.0.1 user=lp", Duration::ZERO).unwrap();
        assert_eq!(super::hosts(&paths), [paths]);
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
