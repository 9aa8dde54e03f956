//! A client on the runtime that the user chose.

use std::sync::Arc;

use lp_connector_core::connector::{Callable, Completed, Config};
use lp_connector_core::error::Error;

use crate::args::Runtime;

/// A client on any runtime.
#[derive(Debug)]
pub(crate) enum Client {
    Ureq(lp_connector_ureq::Client),
    AsyncStd(lp_connector_async_std::Client),
    Smol(lp_connector_smol::Client),
    Tokio(lp_connector_tokio::Client, Arc<tokio::runtime::Runtime>),
}

impl Client {
    pub(crate) fn new(runtime: Runtime, config: Config) -> Result<Self, Error> {
        match runtime {
            Runtime::Ureq => lp_connector_ureq::Client::new(config).map(Self::Ureq),
            Runtime::AsyncStd => lp_connector_async_std::Client::new(config).map(Self::AsyncStd),
            Runtime::Smol => lp_connector_smol::Client::new(config).map(Self::Smol),
            Runtime::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| {
                    Error::configuration(format!("cannot start a tokio runtime: {error}"))
                })?;
                let client = lp_connector_tokio::Client::new(config)?;
                Ok(Self::Tokio(client, Arc::new(runtime)))
            }
        }
    }

    pub(crate) fn call<C: Callable>(&self, operation: C) -> Result<Completed<C::Output>, Error> {
        match self {
            Self::Ureq(client) => client.call(operation),
            Self::AsyncStd(client) => async_std::task::block_on(client.call(operation)),
            Self::Smol(client) => smol::block_on(client.call(operation)),
            Self::Tokio(client, runtime) => runtime.block_on(client.call(operation)),
        }
    }
}
