//! The server, with a sandbox of LivePerson on one side and a toy gateway on the other.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

mod access;
mod accounts;
mod deliveries;
mod drain;
mod files;
mod idempotency;
mod letters;
mod messages;
mod openapi;
mod operations;
mod people;
mod schema;
mod world;
