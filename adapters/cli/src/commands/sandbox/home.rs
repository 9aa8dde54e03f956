//! The folder of a sandbox: the seed of its keys, and what other commands must know while it runs.
//!
//! | file | what is in it |
//! |---|---|
//! | `keys.json` | the seed of account, app, user and ports: from start to start |
//! | `state.json` | with `--state`: all that the sandbox was when it stopped |
//! | `running.json` | the settings of the sandbox that runs now |
//! | `lock` | locked while a sandbox runs, so that there is one at a time |
//!
//! The folder and its files are for their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::settings::Settings;
use crate::failure::Failure;
use crate::input;
use crate::paths;

/// The version of `keys.json`.
const VERSION: u64 = 1;

/// The maximum size of a file here.
const MAX_FILE: usize = 64 * 1024;

/// How often the lock is tried: a command that looks holds it for a moment.
const TRIES: u32 = 10;

/// The keys of a sandbox, which follow from its seed: account, app, user, and its ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Keys {
    pub(crate) seed: u64,
    /// The port of the cloud. The next ones are those of the webhook endpoint and of the console.
    port: u16,
}

/// The first port, and how many triples of ports there are from it. They are below those that systems give to
/// outgoing connections.
const FIRST_PORT: u16 = 20_000;
const TRIPLES: u64 = 4_000;

impl Keys {
    /// The keys of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        // SplitMix64, so that neighbours differ.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let triple = u16::try_from((mixed ^ (mixed >> 31)) % TRIPLES).unwrap_or(0);
        Self { seed, port: FIRST_PORT + 3 * triple }
    }

    /// Keys whose ports are free now.
    fn unused() -> Self {
        let free = |keys: &Self| {
            let ports = [keys.cloud(), keys.webhooks(), keys.console()];
            ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        };
        let mut keys = (0..100).map(|_| Self::of(super::seed()));
        keys.find(free).unwrap_or_else(|| Self::of(super::seed()))
    }

    /// The port of the cloud.
    pub(crate) fn cloud(self) -> u16 {
        self.port
    }

    /// The port of the webhook endpoint.
    pub(crate) fn webhooks(self) -> u16 {
        self.port + 1
    }

    /// The port of the console and the control API.
    pub(crate) fn console(self) -> u16 {
        self.port + 2
    }
}

/// The folder of a sandbox, which has it to itself until this is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    _lock: File,
}

/// The folder where a sandbox keeps its keys if none is named, if there is a home.
pub(crate) fn default_folder() -> Option<PathBuf> {
    Some(paths::state()?.join("sandbox"))
}

impl Home {
    /// Takes a folder, and makes it if it is not there. `None` if another sandbox has it.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Failure> {
        let failed = |error: io::Error| {
            Failure::Local(format!("cannot use the folder {}: {error}", folder.display()))
        };
        make_folder(folder).map_err(failed)?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        owner_alone(&mut options);
        let lock = options.open(path).map_err(failed)?;
        for _ in 0..TRIES {
            if take(&lock, true).map_err(failed)? {
                return Ok(Some(Self { folder: folder.to_owned(), _lock: lock }));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    /// The kept keys, or new ones, which are kept from now on.
    pub(crate) fn keys(&self) -> Result<Keys, Failure> {
        let file = self.folder.join("keys.json");
        if !file.exists() {
            let keys = Keys::unused();
            self.write("keys.json", &json!({"version": VERSION, "seed": keys.seed}))?;
            return Ok(keys);
        }
        let unreadable = |reason: &str| {
            Failure::usage(format!(
                "{}: {reason}; without this file a sandbox makes new keys",
                file.display()
            ))
        };
        let value: Value = serde_json::from_slice(&input::read(&file, "", MAX_FILE)?)
            .map_err(|_| unreadable("it is not JSON"))?;
        if value.get("version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(unreadable("it is of another version of this program"));
        }
        let seed = value.get("seed").and_then(Value::as_u64);
        seed.map(Keys::of).ok_or_else(|| unreadable("it has no seed"))
    }

    /// Tells other commands the settings, until this is dropped.
    pub(crate) fn publish(&self, settings: &Settings) -> Result<(), Failure> {
        self.write("running.json", &settings.to_json())
    }

    /// Writes a file in one piece.
    fn write(&self, name: &str, value: &Value) -> Result<(), Failure> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        owner_alone(&mut options);
        let written = options.open(&new).and_then(|mut file| {
            file.write_all(format!("{value}\n").as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        });
        written.map_err(|error| Failure::Local(format!("cannot write {}: {error}", path.display())))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.folder.join("running.json"));
    }
}

/// The settings of the sandbox that runs with this folder, if one does.
pub(crate) fn running(folder: &Path) -> Option<Settings> {
    let lock = File::open(folder.join("lock")).ok()?;
    if take(&lock, false).unwrap_or(false) {
        return None; // and gives it back
    }
    let bytes = input::read(&folder.join("running.json"), "", MAX_FILE).ok()?;
    Settings::from_json(&serde_json::from_slice(&bytes).ok()?)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A new file is for its owner alone.
#[cfg_attr(not(unix), expect(unused_variables, reason = "other systems have no modes"))]
pub(super) fn owner_alone(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// Takes a lock, for itself alone or with others, until the file is closed. False if another process has it.
#[cfg(unix)]
fn take(file: &File, alone: bool) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    let operation = match alone {
        true => FlockOperation::NonBlockingLockExclusive,
        false => FlockOperation::NonBlockingLockShared,
    };
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Without locks: two sandboxes meet at the port. What runs is told by the file alone.
#[cfg(not(unix))]
fn take(_: &File, alone: bool) -> io::Result<bool> {
    Ok(alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_from_the_seed() {
        for seed in [0, 1, 2, u64::MAX] {
            let keys = Keys::of(seed);
            assert_eq!(keys, Keys::of(seed));
            assert!((20_000..32_000).contains(&keys.cloud()), "{keys:?}");
            assert_eq!((keys.webhooks(), keys.console()), (keys.cloud() + 1, keys.cloud() + 2));
        }
        assert_ne!(Keys::of(1).cloud(), Keys::of(2).cloud());
    }

    #[test]
    fn keys_stay_and_a_folder_has_one_sandbox() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let home = Home::open(&folder).unwrap().unwrap();
        let keys = home.keys().unwrap();
        assert_eq!(home.keys().unwrap(), keys);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert!(Home::open(&folder).unwrap().is_none());
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&folder.join("keys.json"))), (0o700, 0o600));
        }
        drop(home);
        let home = Home::open(&folder).unwrap().unwrap();
        assert_eq!(home.keys().unwrap(), keys);
        for wrong in ["", "{}", r#"{"version":2,"seed":1}"#, r#"{"version":1,"seed":"1"}"#] {
            fs::write(folder.join("keys.json"), wrong).unwrap();
            let failure = home.keys().unwrap_err().to_string();
            assert!(failure.contains("keys.json"), "{wrong}: {failure}");
        }
    }
}
