//! Where the store is: a file of SQLite, or a database on a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};

use lp_connector_core::secret::Secret;

/// Where the store is. Neither `Debug` nor `Display` shows a password or a user.
#[derive(Clone, Debug)]
pub(super) enum StoreAddress {
    File(PathBuf),
    Postgres(PostgresUrl),
}

/// The URL of a database, with its password apart.
#[derive(Clone)]
pub(super) struct PostgresUrl {
    /// Everything but the password.
    url: String,
    /// As it stands in the URL: percent-encoded.
    password: Option<Secret>,
    shown: String,
}

impl StoreAddress {
    /// Reads an address. Relative files start from `folder`. The reason quotes nothing.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let file = match text.split_once(':') {
            Some(("sqlite", file)) => file,
            Some(("postgres" | "postgresql", rest)) => {
                let url = PostgresUrl::parse(rest).map_err(str::to_owned)?;
                return Ok(Self::Postgres(url));
            }
            // A letter before a colon may be a drive.
            _ => text,
        };
        match file {
            "" => Err("a file is wanted, such as sqlite:bridge.db".to_owned()),
            // A misspelt scheme would make a file, with the password in its name.
            file if file.contains("://") => {
                Err("sqlite:FILE or postgres://USER@HOST/DATABASE is wanted".to_owned())
            }
            file => Ok(Self::File(folder.join(file))),
        }
    }

    /// The name of the engine.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Whether there is a password in it.
    pub(super) const fn has_password(&self) -> bool {
        matches!(self, Self::Postgres(PostgresUrl { password: Some(_), .. }))
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

const WANTED: &str = "postgres://USER@HOST:PORT/DATABASE is wanted";

impl PostgresUrl {
    /// Reads what follows the scheme's colon, as the client of PostgreSQL does.
    fn parse(rest: &str) -> Result<Self, &'static str> {
        let rest = rest.strip_prefix("//").ok_or(WANTED)?;
        let (who, place) = match rest.split_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, rest),
        };
        // What is taken for the host could be the end of a password.
        if place.contains('@') {
            return Err("an @ in a user's name or a password is written %40");
        }
        let (place, query) = match place.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (place, None),
        };
        let (hosts, database) = match place.split_once('/') {
            Some((hosts, database)) => (hosts, Some(database)),
            None => (place, None),
        };
        let (user, mut password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            Some((user, password)) => (Some(user), Some(password).filter(|one| !one.is_empty())),
            None => (None, None),
        };
        let mut parameters = Vec::new();
        for parameter in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = parameter.split_once('=').ok_or(WANTED)?;
            match name {
                "password" => password = Some(value),
                name if !is_plain(name, "_") => return Err(WANTED),
                _ => parameters.push((name, value)),
            }
        }
        let host_parameter =
            parameters.iter().find(|(name, _)| *name == "host").map(|(_, value)| *value);
        let shown_host = if hosts.is_empty() { host_parameter.unwrap_or_default() } else { hosts };
        let database = database.filter(|name| !name.is_empty());
        if !is_plain(shown_host, "._-:,[]%/") || !database.is_none_or(|name| is_plain(name, "._-%"))
        {
            return Err(WANTED);
        }
        // Without a host, a password would be shown as its port.
        if !hosts.split(',').all(has_good_port) {
            return Err(WANTED);
        }
        let at = user.map(|user| format!("{user}@")).unwrap_or_default();
        let slash = database.map(|name| format!("/{name}")).unwrap_or_default();
        let query: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Ok(Self {
            url: format!("postgres://{at}{hosts}{slash}{mark}{}", query.join("&")),
            password: password.map(|one| Secret::new(one.to_owned())),
            shown: format!("postgres://{shown_host}{slash}"),
        })
    }

    /// The whole URL, with this password if there is one, or else its own.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "nothing connects"))]
    pub(super) fn with_password(&self, password: Option<&Secret>) -> Secret {
        let encoded = match (password, &self.password) {
            (Some(password), _) => {
                password.expose().bytes().map(|byte| format!("%{byte:02X}")).collect()
            }
            (None, Some(own)) => own.expose().to_owned(),
            (None, None) => return Secret::new(self.url.clone()),
        };
        let mark = if self.url.contains('?') { '&' } else { '?' };
        Secret::new(format!("{}{mark}password={encoded}", self.url))
    }
}

/// Whether what follows the host's colon, if anything, is a number.
fn has_good_port(host: &str) -> bool {
    let name_ends = host.rfind(']').map_or(0, |end| end + 1);
    let port = host.get(name_ends..).and_then(|rest| rest.split_once(':'));
    port.is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_plain(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreAddress, String> {
        StoreAddress::parse(text, Path::new("/etc/lp"))
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        for (text, shown, has_password, whole) in [
            ("a.db", "sqlite:/etc/lp/a.db", false, ""),
            ("sqlite:/a.db", "sqlite:/a.db", false, ""),
            ("postgres://lp@db/lp", "postgres://db/lp", false, "postgres://lp@db/lp"),
            ("postgresql://db", "postgres://db", false, "postgres://db"),
            (
                "postgres://lp:s3cr3t%40@db:5433/lp?sslmode=require",
                "postgres://db:5433/lp",
                true,
                "postgres://lp@db:5433/lp?sslmode=require&password=s3cr3t%40",
            ),
            ("postgres://:s3cr3t@db/", "postgres://db", true, "postgres://@db?password=s3cr3t"),
            (
                "postgres://lp:s3c/r3t?@db/lp",
                "postgres://db/lp",
                true,
                "postgres://lp@db/lp?password=s3c/r3t?",
            ),
            (
                "postgres://lp@a:1,[::1]:2/lp?password=s3cr3t&connect_timeout=3",
                "postgres://a:1,[::1]:2/lp",
                true,
                "postgres://lp@a:1,[::1]:2/lp?connect_timeout=3&password=s3cr3t",
            ),
            (
                "postgres:///lp?host=/run/postgresql&user=lp",
                "postgres:///run/postgresql/lp",
                false,
                "postgres:///lp?host=/run/postgresql&user=lp",
            ),
        ] {
            let address = parse(text).unwrap();
            assert_eq!((address.to_string(), address.has_password()), (shown.into(), has_password));
            assert!(!format!("{address:?}").contains("s3c"), "{address:?}");
            if let StoreAddress::Postgres(url) = address {
                assert_eq!(url.with_password(None).expose(), whole, "{text}");
                let other = url.with_password(Some(&Secret::new("é&".to_owned())));
                assert!(other.expose().ends_with("password=%C3%A9%26"), "{text}");
                assert!(!other.expose().contains("s3c"), "{text}");
            }
        }
    }

    #[test]
    fn a_wrong_address_is_refused_and_not_quoted() {
        for text in [
            "sqlite:",
            "postgres:lp",
            "postgres://lp:s3cr3t",
            "postgres://a:1,lp:s3cr3t/lp",
            "postgres://[::1]:s3cr3t/lp",
            "postgres://lp:s3cr@3t@db/lp",
            "postgres://lp@s3cr3t@db/lp",
            "postgres://lp:x@db/lp?s3cr3t",
            "postgres://lp:x@db/lp?pass%77ord=s3cr3t",
            "postgres://lp:x@s3cr3t!/lp",
            "postgres://lp:x@db/s3cr3t#",
            "potsgres://lp:s3cr3t@db/lp",
            "mysql://lp:s3cr3t@db/lp",
        ] {
            let reason = parse(text).unwrap_err();
            assert!(!reason.contains("3t") && reason.contains("wanted") | reason.contains("%40"));
        }
    }
}
