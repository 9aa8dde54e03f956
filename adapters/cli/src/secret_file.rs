//! Where the secret of a new app goes: the cloud shows it once, so it must not be lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lp_connector_core::secret::Secret;
use zeroize::Zeroizing;

use crate::commands::sandbox::settings::quoted;
use crate::failure::Failure;
use crate::output::Output;
use crate::signals;

/// How many bytes are reserved on the disk: more than any secret has.
const RESERVED: usize = 4096;

/// Where the secret of a new app goes. It is ready before the app is installed.
#[derive(Debug)]
pub(crate) enum SecretTarget {
    Stdout,
    File(SecretFile),
}

/// A new file that only its owner can read. It is removed unless a secret was written to it, at a signal too.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    file: File,
    to_remove: ToRemove,
}

/// The file that is removed if the program ends now.
type ToRemove = Arc<Mutex<Option<PathBuf>>>;

/// The shell command that prints the secret in a file as `secret` is, without what surrounds it there.
/// `None` for a pipe, which cannot be read again. The path holds in every directory.
pub(crate) fn reading(file: &Path, secret: &Secret) -> Result<Option<String>, Failure> {
    let local = |error: io::Error| {
        Failure::usage(format!("--secret-file: cannot read {}: {error}", file.display()))
    };
    if !fs::metadata(file).map_err(local)?.is_file() {
        return Ok(None);
    }
    let path = quoted(&fs::canonicalize(file).map_err(local)?.display().to_string());
    let bytes = Zeroizing::new(fs::read(file).map_err(local)?);
    // `$(…)` takes line feeds off the end. A secret is printable ASCII, so no other byte belongs to it.
    let end = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    let is_plain = bytes.get(..end) == Some(secret.expose().as_bytes());
    Ok(Some(match is_plain {
        true => format!("cat {path}"),
        false => format!(
            "LC_ALL=C tr -d '\\357\\273\\277\\r\\t' < {path} | sed -e 's/^ *//' -e 's/ *$//' -e '/^$/d'"
        ),
    }))
}

impl SecretTarget {
    /// Opens the file of `--secret-to`, or stdout for `-`.
    pub(crate) fn open(path: Option<&Path>, output: &Output) -> Result<Self, Failure> {
        let path = path.ok_or_else(|| {
            Failure::usage(
                "say where the app's secret goes, because it is shown only once: --secret-to FILE, or \
                 --secret-to - to print it",
            )
        })?;
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let to_remove = ToRemove::default();
        let (left, reporter) = (Arc::clone(&to_remove), output.clone());
        signals::at_first_signal(output, move || remove_and_exit(&left, &reporter))?;
        SecretFile::create(path, to_remove).map(Self::File).map_err(|error| {
            let reason = match error.kind() {
                _ if path.is_dir() => format!("{error}, a directory; name a new file in it"),
                io::ErrorKind::AlreadyExists => format!("{error}; name a new file"),
                _ => error.to_string(),
            };
            Failure::usage(format!("--secret-to: cannot create {}: {reason}", path.display()))
        })
    }
}

impl SecretFile {
    /// Creates the file and reserves its place, so that a disk which is full shows now.
    fn create(path: &Path, to_remove: ToRemove) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut left = lock(&to_remove);
        let file = options.open(path)?;
        *left = Some(path.to_owned());
        drop(left);
        let mut created = Self { path: path.to_owned(), file, to_remove };
        created.file.write_all(&[b'\n'; RESERVED])?;
        created.file.sync_all()?;
        Ok(created)
    }

    /// Writes the secret, and keeps the file.
    pub(crate) fn write(&mut self, secret: &str) -> Result<(), String> {
        // A signal waits until it is written.
        let mut left = lock(&self.to_remove);
        let written = self.file.rewind().and_then(|()| self.file.write_all(secret.as_bytes()));
        let written = written.and_then(|()| self.file.set_len(secret.len() as u64));
        match written.and_then(|()| self.file.sync_all()) {
            Ok(()) => {
                *left = None;
                Ok(())
            }
            Err(error) => Err(format!("cannot write {}: {error}", self.path.display())),
        }
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        remove(&self.to_remove);
    }
}

fn lock(to_remove: &ToRemove) -> MutexGuard<'_, Option<PathBuf>> {
    to_remove.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the file, if it is there without a secret.
fn remove(to_remove: &ToRemove) -> bool {
    lock(to_remove).take().is_some_and(|path| fs::remove_file(path).is_ok())
}

/// Ends the program if the secret has not come yet.
fn remove_and_exit(to_remove: &ToRemove, output: &Output) {
    if remove(to_remove) {
        output.failure(&Failure::Local(
            "interrupted: the app may be installed, and its secret is lost then; `lp-connector apps list` \
             shows it"
                .to_owned(),
        ));
        process::exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_said_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "").unwrap();
        // Opened for reading alone.
        let file = File::open(&path).unwrap();
        let to_remove = Arc::new(Mutex::new(Some(path.clone())));
        let mut secret = SecretFile { path: path.clone(), file, to_remove };
        assert!(secret.write("s3cr3t").unwrap_err().starts_with("cannot write"));
        drop(secret);
        assert!(!path.exists());
    }
}
