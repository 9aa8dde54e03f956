//! The state of a sandbox in a file: written now and then and at the end, read at the start.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::digest;

use super::ServerState;
use crate::{Config, Sandbox};

/// The time between two writes. Nothing is written if nothing has changed.
const INTERVAL: Duration = Duration::from_secs(5);

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024 * 1024;

/// A file with the state.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    /// Of what was written last: how often the sandbox may have changed before, and the hash. Held while it is written.
    written: Mutex<Option<(u64, Vec<u8>)>>,
}

impl StateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: Mutex::new(None) }
    }

    /// The sandbox with the state of the file; `None` if there is no file yet.
    pub(super) fn restore(&self, config: Config, seed: u64) -> io::Result<Option<Sandbox>> {
        let unreadable = |why: String| {
            let why = format!("{}: {why}; move it away to begin anew", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        };
        let length = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
            Ok(found) if !found.is_file() => return Err(unreadable("it is no file".to_owned())),
            Ok(found) => found.len(),
        };
        if length > MAX_FILE {
            return Err(unreadable("it is too large".to_owned()));
        }
        let bytes = fs::read(&self.path).map_err(|error| unreadable(error.to_string()))?;
        Sandbox::restore(config, seed, &bytes).map(Some).map_err(unreadable)
    }

    /// Writes the state, if it has changed. `changes` counts what may have changed it: without another one, the state
    /// is not even looked at. The file is whole at any time.
    pub(super) fn write(&self, sandbox: &Mutex<Sandbox>, changes: u64) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.as_ref().is_some_and(|(before, _)| *before == changes) {
            return Ok(());
        }
        // A copy, so that requests do not wait for the writing.
        let copy = sandbox.lock().unwrap_or_else(PoisonError::into_inner).without_record();
        let bytes = copy.save();
        let hash = digest::digest(&digest::SHA256, &bytes).as_ref().to_vec();
        if written.as_ref().is_none_or(|(_, before)| *before != hash) {
            replace(&self.path, &bytes)?;
        }
        *written = Some((changes, hash));
        Ok(())
    }
}

/// Replaces a file at once. It has secrets: nobody else may read it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)
}

/// Writes now and then.
pub(super) async fn keep(shared: Arc<ServerState>) {
    if shared.state_file.is_none() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        let shared = shared.clone();
        // A failure is reported at the end, where somebody reads it.
        let _ = tokio::task::spawn_blocking(move || shared.save()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_without_a_change_is_not_looked_at() {
        let name = format!("lp-sandbox-unchanged-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = StateFile::new(path.clone());
        let sandbox = Mutex::new(Sandbox::new(Config::new("127.0.0.1:1", 1), 1));
        file.write(&sandbox, 1).unwrap();
        let first = fs::read(&path).unwrap();
        sandbox.lock().unwrap().fault("send=503".parse().unwrap());
        file.write(&sandbox, 1).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        file.write(&sandbox, 2).unwrap();
        assert_ne!(fs::read(&path).unwrap(), first);
        fs::remove_file(&path).unwrap();
    }
}
