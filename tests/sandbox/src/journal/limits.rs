//! How much a sandbox remembers of what passed.

/// How much a sandbox remembers of requests and events: when there is more, the oldest goes first.
///
/// ```
/// use lp_connector_sandbox::Limits;
///
/// let limits = Limits { exchanges: 100, ..Limits::default() };
/// assert_eq!(limits.body_bytes, 32 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain set of numbers, built with ..Default")]
pub struct Limits {
    /// The most requests and posts, with their responses. Default: 10 000.
    pub exchanges: usize,
    /// The most bytes of their headers, bodies and targets. Default: 32 MiB.
    pub body_bytes: usize,
    /// The most bytes of one body. Default: 64 KiB.
    pub body: usize,
    /// The most events. Default: 20 000.
    pub events: usize,
    /// The most notifications. Default: 10 000.
    pub notifications: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            exchanges: 10_000,
            body_bytes: 32 * 1024 * 1024,
            body: 64 * 1024,
            events: 20_000,
            notifications: 10_000,
        }
    }
}
