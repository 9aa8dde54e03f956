//! Files that come along in a delivery. Of one that cannot, the delivery has the URL alone: it is never lost for that.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lp_connector_core::error::{Error, ErrorKind};

use super::gateway::Gateway;

/// How long a file is waited for. It is taken from the time of the try.
pub(super) const INLINE_TIMEOUT: Duration = Duration::from_secs(3);

/// So many files are remembered that cannot come along.
const MAX_REMEMBERED: usize = 256;

/// The ids of files that are too large, or that LivePerson refuses, the oldest first: a repeat does not fetch them
/// again.
#[derive(Debug, Default)]
pub(super) struct Outsiders(Mutex<VecDeque<Box<str>>>);

impl Outsiders {
    fn has(&self, id: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|one| **one == *id)
    }

    fn remember(&self, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REMEMBERED {
            all.pop_front();
        }
        all.push_back(id.into());
    }
}

/// The bytes of a file, if they are to come along, are small enough, and LivePerson gives them in time. The download is
/// not begun if they are not to.
pub(super) async fn bytes(
    gateway: &Gateway,
    id: &str,
    download: impl Future<Output = Result<Bytes, Error>>,
) -> Option<Vec<u8>> {
    let most = gateway.config.deliver.inline_media;
    if most == 0 || gateway.outsiders.has(id) {
        return None;
    }
    // One that is fetched beside it takes the same memory.
    let _slot = gateway.downloads.try_acquire().ok()?;
    match tokio::time::timeout(INLINE_TIMEOUT, download).await {
        Ok(Ok(bytes)) if bytes.len() <= most => return Some(bytes.to_vec()),
        Ok(Ok(_)) => gateway.outsiders.remember(id),
        Ok(Err(error)) => {
            if error.kind() == ErrorKind::Rejected {
                gateway.outsiders.remember(id);
            }
            log(gateway, id, error.kind().name());
        }
        Err(_) => log(gateway, id, "no answer in time"),
    }
    None
}

fn log(gateway: &Gateway, id: &str, cause: &'static str) {
    tracing::warn!(
        target: super::LOG, event = "file_left_out", gateway = gateway.name, message = id, cause
    );
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::super::doubles::{block_on, gateway_with};
    use super::super::logged::logged;
    use super::*;

    #[test]
    fn the_log_has_why_a_file_is_left_out() {
        let gateway = gateway_with(|config| config.deliver.inline_media = 4);
        let fails = |id: &str, kind| {
            let download = ready(Err(Error::new(kind, "no")));
            assert_eq!(block_on(bytes(&gateway, id, download)), None);
        };
        let lines = logged(|| {
            let file = ready(Ok(Bytes::from_static(b"PNG1")));
            assert_eq!(block_on(bytes(&gateway, "f_0", file)), Some(b"PNG1".to_vec()));
            for kind in [ErrorKind::Rejected, ErrorKind::Unavailable] {
                fails(kind.name(), kind);
                // What is refused is not fetched again; the other one may be there by then.
                fails(kind.name(), kind);
            }
        });
        assert_eq!(
            lines,
            [
                "WARN file_left_out sms rejected rejected",
                "WARN file_left_out sms unavailable unavailable",
                "WARN file_left_out sms unavailable unavailable",
            ]
        );
    }

    #[test]
    fn the_files_that_stay_out_are_few() {
        let outsiders = Outsiders::default();
        for number in 0..=MAX_REMEMBERED {
            outsiders.remember(&format!("f_{number}"));
        }
        assert!(!outsiders.has("f_0") && outsiders.has("f_1"));
        assert_eq!(outsiders.0.lock().unwrap().len(), MAX_REMEMBERED);
    }
}
