//! The configuration in the environment: the variables that the command line reads and a sandbox prints.
//!
//! | variable | what it is | without it |
//! |---|---|---|
//! | `LP_ACCOUNT_ID` | the account | an error |
//! | `LP_CLIENT_ID` | the app install's id | an error |
//! | `LP_CLIENT_SECRET` | the app install's secret | an error |
//! | `LP_DOMAIN_API` | the address of the Domain API, for a sandbox | the real cloud |
//! | `LP_CA_FILE` | a file with PEM certificates to trust besides the platform's | none |
//!
//! Every error names its variable.
//!
//! ```no_run
//! use lp_connector::{Error, env};
//!
//! fn main() -> Result<(), Error> {
//!     let config = env::config()?.call_timeout(std::time::Duration::from_secs(60));
//!     let listen = env::var("LP_WEBHOOK_LISTEN")?;
//! #   let _ = (config, listen);
//!     Ok(())
//! }
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;

use crate::connector::TRUSTED_SUFFIXES;
use crate::{Config, Error, Secret, Trust};

/// The maximum size of a file with certificates, in bytes: all of a platform's have 0.5 MiB.
const MAX_CERTIFICATES: u64 = 4 * 1024 * 1024;

/// The configuration that the variables of the [module page](self) hold.
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration), with the variable's name, if one is missing, is not
/// UTF-8, or has a value that cannot be used.
pub fn config() -> Result<Config, Error> {
    config_of(&|name| std::env::var_os(name))
}

/// A variable that must be set, such as `LP_WEBHOOK_LISTEN`.
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration), with the variable's name, if it is not set or not
/// UTF-8.
pub fn var(name: &str) -> Result<String, Error> {
    required(&|name| std::env::var_os(name), name)
}

/// The app install's secret, which is in `LP_CLIENT_SECRET`.
///
/// # Errors
/// [`Configuration`](crate::ErrorKind::Configuration), with the variable's name, if it is not set, or is no
/// secret.
pub fn secret() -> Result<Secret, Error> {
    secret_of(&|name| std::env::var_os(name))
}

/// Looks a variable up.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

fn config_of(lookup: Lookup<'_>) -> Result<Config, Error> {
    let account = required(lookup, "LP_ACCOUNT_ID")?.parse().map_err(named("LP_ACCOUNT_ID"))?;
    let client = required(lookup, "LP_CLIENT_ID")?.parse().map_err(named("LP_CLIENT_ID"))?;
    let mut config = Config::new(account).credentials(client, secret_of(lookup)?);
    if let Some(address) = optional(lookup, "LP_DOMAIN_API")? {
        let trust = Trust::new(&address, TRUSTED_SUFFIXES.iter().copied());
        config = config.trust(trust.map_err(named("LP_DOMAIN_API"))?);
    }
    if let Some(file) = optional(lookup, "LP_CA_FILE")? {
        config = config.extra_ca_pem(certificates(&file)?);
    }
    Ok(config)
}

fn secret_of(lookup: Lookup<'_>) -> Result<Secret, Error> {
    required(lookup, "LP_CLIENT_SECRET")?.parse::<Secret>().map_err(named("LP_CLIENT_SECRET"))
}

fn required(lookup: Lookup<'_>, name: &str) -> Result<String, Error> {
    optional(lookup, name)?
        .ok_or_else(|| Error::configuration(format!("the variable {name} is not set")))
}

fn optional(lookup: Lookup<'_>, name: &str) -> Result<Option<String>, Error> {
    let not_utf8 = |_| Error::configuration(format!("the variable {name} is not UTF-8"));
    lookup(name).map(OsString::into_string).transpose().map_err(not_utf8)
}

/// The certificates in a file of a bounded size.
fn certificates(file: &str) -> Result<Vec<u8>, Error> {
    let refused = |reason: &dyn std::fmt::Display| {
        Error::configuration(format!("the variable LP_CA_FILE: cannot read {file}: {reason}"))
    };
    let mut pem = Vec::new();
    let opened = File::open(file).map_err(|error| refused(&error))?;
    let read = opened.take(MAX_CERTIFICATES + 1).read_to_end(&mut pem);
    read.map_err(|error| refused(&error))?;
    if pem.len() as u64 > MAX_CERTIFICATES {
        return Err(refused(&format!("it has more than {MAX_CERTIFICATES} bytes")));
    }
    // An empty text would count as no extra certificates.
    if pem.trim_ascii().is_empty() {
        return Err(refused(&"it is empty"));
    }
    Ok(pem)
}

/// The error of a variable's value, with the variable's name.
fn named<E: std::fmt::Display>(name: &str) -> impl FnOnce(E) -> Error {
    move |error| {
        // An `Error` begins with the word that this one gets.
        let reason = error.to_string();
        let reason = reason.strip_prefix("configuration: ").unwrap_or(&reason);
        Error::configuration(format!("the variable {name}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// What the environment says if it is this one with `name` set to `value`, or not set.
    fn with(name: &str, value: Option<OsString>) -> Result<Config, Error> {
        let usual = |asked: &str| match asked {
            "LP_ACCOUNT_ID" => Some("91827364".into()),
            "LP_CLIENT_ID" => Some("0a1b2c3d".into()),
            "LP_CLIENT_SECRET" => Some("\u{feff}s3cr3t\r\n".into()),
            _ => None,
        };
        config_of(&|asked| if asked == name { value.clone() } else { usual(asked) })
    }

    #[test]
    fn an_error_names_the_variable() {
        for (name, value, reason) in [
            ("LP_ACCOUNT_ID", None, "is not set"),
            ("LP_CLIENT_ID", None, "is not set"),
            ("LP_CLIENT_SECRET", None, "is not set"),
            ("LP_ACCOUNT_ID", Some(""), "it is empty"),
            ("LP_CLIENT_ID", Some("a\nb"), "control characters"),
            ("LP_CLIENT_SECRET", Some("s3cr3t\ns3cr3t"), "more than one line"),
            ("LP_DOMAIN_API", Some("http://api.example.com"), "https"),
            ("LP_DOMAIN_API", Some(""), ""),
            ("LP_CA_FILE", Some("/no/such/file"), "/no/such/file"),
            ("LP_CA_FILE", Some("/dev/null"), "it is empty"),
            ("LP_CA_FILE", Some("/dev/zero"), "more than"),
        ] {
            let error = with(name, value.map(Into::into)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            let shown = format!("{error:?}");
            assert!(shown.contains(name) && shown.contains(reason), "{name}={value:?}: {shown}");
            assert!(!shown.contains("s3cr3t") && !shown.contains('\n'), "{shown}");
        }
        assert!(with("LP_DOMAIN_API", Some("http://127.0.0.1:80".into())).is_ok());
        assert!(with("LP_CA_FILE", None).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt as _;
        for name in ["LP_ACCOUNT_ID", "LP_CLIENT_SECRET", "LP_DOMAIN_API", "LP_CA_FILE"] {
            let error = with(name, Some(OsString::from_vec(vec![0xff]))).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("is not UTF-8"), "{error}");
        }
    }

    #[test]
    fn what_the_variables_say_is_in_the_configuration() {
        let config = with("LP_DOMAIN_API", Some("http://127.0.0.1:4711".into())).unwrap();
        assert!(format!("{config:?}").contains("127.0.0.1:4711"), "{config:?}");
        assert_eq!(config.account().as_str(), "91827364");
        assert_eq!(config.client_id().unwrap().as_str(), "0a1b2c3d");
        let file = std::env::temp_dir().join(format!("lp-env-ca-{}.pem", std::process::id()));
        std::fs::write(&file, "some certificates").unwrap();
        let config = with("LP_CA_FILE", Some(file.clone().into_os_string()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(config.unwrap().transport().extra_ca_pem(), b"some certificates");
    }
}
