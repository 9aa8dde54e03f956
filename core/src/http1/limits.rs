//! How much of a response is kept before it is refused.

/// Bounds on what a peer can make a decoder keep.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) head: usize,
    pub(super) headers: usize,
    pub(super) body: usize,
    pub(super) chunk_line: usize,
}

impl Limits {
    /// Head 64 KiB, 128 headers, body 8 MiB, a chunk's size line 4 KiB.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: 64 * 1024, headers: 128, body: 8 * 1024 * 1024, chunk_line: 4 * 1024 }
    }

    /// The longest head in bytes: status line, headers, and the empty line. Trailers, and all chunk
    /// extensions together, are held to the same. Default: 64 KiB.
    #[must_use]
    pub const fn head(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// The most headers, and the most trailers. Default: 128.
    #[must_use]
    pub const fn headers(mut self, count: usize) -> Self {
        self.headers = count;
        self
    }

    /// The longest body in bytes. Default: 8 MiB.
    #[must_use]
    pub const fn body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// The longest line before a chunk, extensions included, in bytes. Default: 4 KiB.
    #[must_use]
    pub const fn chunk_line(mut self, bytes: usize) -> Self {
        self.chunk_line = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
