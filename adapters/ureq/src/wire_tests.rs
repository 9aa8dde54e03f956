//! A connection for tests, which does what its fields say.

use std::collections::VecDeque;
use std::io;

use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

/// What is under a link of the connector chain.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) buffers: LazyBuffers,
    /// What each read brings; then comes the end.
    pub(crate) reads: VecDeque<&'static [u8]>,
    /// What was written.
    pub(crate) written: Vec<u8>,
    /// What a write ends with.
    pub(crate) write_fails: Option<io::ErrorKind>,
    pub(crate) is_open: bool,
    pub(crate) is_tls: bool,
}

impl Wire {
    pub(crate) fn that_brings<const N: usize>(reads: [&'static [u8]; N]) -> Self {
        Self {
            buffers: LazyBuffers::new(4096, 4096),
            reads: reads.into(),
            written: Vec::new(),
            write_fails: None,
            is_open: true,
            is_tls: false,
        }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if let Some(kind) = self.write_fails {
            return Err(io::Error::from(kind).into());
        }
        self.written.extend_from_slice(&self.buffers.output()[..amount]);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let Some(bytes) = self.reads.pop_front() else { return Ok(false) };
        self.buffers.input_append_buf()[..bytes.len()].copy_from_slice(bytes);
        self.buffers.input_appended(bytes.len());
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.is_open
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}
