//! The server of the measurements over loopback, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::BenchError;

/// It ends when this is dropped.
pub(crate) struct Peer {
    child: Child,
    base: String,
}

impl Peer {
    pub(crate) fn start() -> Result<Self, BenchError> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut base = String::new();
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(stdout).read_line(&mut base)?;
        Ok(Self { child, base: base.trim().to_owned() })
    }

    /// Its URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
