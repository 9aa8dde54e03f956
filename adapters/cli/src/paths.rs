//! Where configuration and state are, as the XDG Base Directory Specification says.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of this program's state, such as `~/.local/state/lp-connector`. `None` if there is no home.
pub(crate) fn state() -> Option<PathBuf> {
    folder("XDG_STATE_HOME", ".local/state", "LOCALAPPDATA", |name| std::env::var_os(name))
}

/// The folder of this program's configuration, such as `~/.config/lp-connector`.
pub(crate) fn configuration() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config", "APPDATA", |name| std::env::var_os(name))
}

fn folder(
    xdg: &str,
    below_home: &str,
    windows: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    // A relative path is invalid, and ignored.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let platform = if cfg!(windows) { absolute(windows) } else { None };
    let home = || absolute("HOME").map(|home| home.join(below_home));
    Some(absolute(xdg).or(platform).or_else(home)?.join("lp-connector"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_folder_is_absolute_or_there_is_none() {
        for (xdg, home, expected) in [
            (Some("/state"), Some("/home/ada"), Some("/state/lp-connector")),
            (None, Some("/home/ada"), Some("/home/ada/.local/state/lp-connector")),
            (Some("state"), Some("/home/ada"), Some("/home/ada/.local/state/lp-connector")),
            (Some(""), Some("/home/ada"), Some("/home/ada/.local/state/lp-connector")),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let found = folder("XDG", ".local/state", "WINDOWS", |name| match name {
                "XDG" => xdg.map(OsString::from),
                "HOME" => home.map(OsString::from),
                _ => None,
            });
            assert_eq!(found.as_deref(), expected.map(Path::new), "{xdg:?} {home:?}");
        }
    }
}
