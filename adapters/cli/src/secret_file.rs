//! Where the secret of a new app goes: the cloud shows it once, so it must not be lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// How many bytes are reserved on the disk: more than any secret has.
const RESERVED: usize = 4096;

/// Where the secret of a new app goes. It is ready before the app is installed.
#[derive(Debug)]
pub(crate) enum SecretTarget {
    Stdout,
    File(SecretFile),
}

/// A new file that only its owner can read. It is removed unless a secret was written to it.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    file: File,
    remove: bool,
}

impl SecretTarget {
    /// Opens the file of `--secret-to`, or stdout for `-`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let path = path.ok_or_else(|| {
            Failure::usage(
                "say where the app's secret goes, because it is shown only once: --secret-to FILE, or \
                 --secret-to - to print it",
            )
        })?;
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        SecretFile::create(path).map(Self::File).map_err(|error| {
            Failure::usage(format!("--secret-to: cannot create {}: {error}", path.display()))
        })
    }
}

impl SecretFile {
    /// Creates the file and reserves its place, so that a disk which is full shows now.
    fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        let mut created = Self { path: path.to_owned(), file, remove: true };
        created.file.write_all(&[b'\n'; RESERVED])?;
        created.file.sync_all()?;
        Ok(created)
    }

    /// Writes the secret, and keeps the file.
    pub(crate) fn write(&mut self, secret: &str) -> Result<(), String> {
        let written = self.file.rewind().and_then(|()| self.file.write_all(secret.as_bytes()));
        let written = written.and_then(|()| self.file.set_len(secret.len() as u64));
        match written.and_then(|()| self.file.sync_all()) {
            Ok(()) => {
                self.remove = false;
                Ok(())
            }
            Err(error) => Err(format!("cannot write {}: {error}", self.path.display())),
        }
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if self.remove {
            let _ = fs::remove_file(&self.path);
        }
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
        let mut secret = SecretFile { path: path.clone(), file, remove: true };
        assert!(secret.write("s3cr3t").unwrap_err().starts_with("cannot write"));
        drop(secret);
        assert!(!path.exists());
    }
}
