//! A stand-in for the cloud.
