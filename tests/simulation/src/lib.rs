//! Tests of the core with no sockets: against the sandbox under a virtual clock, and over the fuzz
//! corpora. All of it is in this package's `tests/`.
