//! Each adapter against each case.

use lp_connector_conformance as adapters;

adapters::conformance!(
    ureq: lp_connector_conformance::Ureq,
    tokio: lp_connector_conformance::Tokio,
    tokio_current_thread: lp_connector_conformance::TokioCurrentThread,
    async_std: lp_connector_conformance::AsyncStd,
    smol: lp_connector_conformance::Smol,
);
