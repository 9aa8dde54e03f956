//! Limits on the size of a response.

/// Limits on what a server can make a decoder keep in memory.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) head: usize,
    pub(super) headers: usize,
    pub(super) body: usize,
    pub(super) chunk_line: usize,
}

impl Limits {
    /// The defaults: a head of 64 KiB with as many headers as fit, a body of 8 MiB, a chunk-size line of
    /// 4 KiB.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: 64 * 1024, headers: usize::MAX, body: 8 * 1024 * 1024, chunk_line: 4 * 1024 }
    }

    /// The maximum size of the head in bytes: status line, headers and the empty line. The same limit
    /// applies to the trailers, and to all chunk extensions together. Default: 64 KiB.
    #[must_use]
    pub const fn head(mut self, bytes: usize) -> Self {
        self.head = bytes;
        self
    }

    /// The maximum number of headers, and of trailers. Default: as many as fit into the head, which may
    /// be no more than the 24 576 that a [`HeaderMap`](http::HeaderMap) holds.
    #[must_use]
    pub const fn headers(mut self, count: usize) -> Self {
        self.headers = count;
        self
    }

    /// The maximum size of the body in bytes. Default: 8 MiB.
    #[must_use]
    pub const fn body(mut self, bytes: usize) -> Self {
        self.body = bytes;
        self
    }

    /// The maximum length of a chunk-size line in bytes, without extensions. Default: 4 KiB.
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
