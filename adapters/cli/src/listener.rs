//! A webhook endpoint on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use lp_connector_axum::{Webhooks, serve};
use lp_connector_core::webhook::{Receiver, Verified};
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Receives notifications until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    notifications: mpsc::Receiver<Verified>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn start(address: SocketAddr, receiver: Receiver) -> Result<Self, Failure> {
        let local = |error: std::io::Error| {
            Failure::Usage(format!(
                "cannot listen on {address}: {error}; choose another address with --listen or \
                 LP_WEBHOOK_LISTEN"
            ))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(local)?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let (router, mut queue) = Webhooks::new(receiver).split();
        let (stop, stopped) = oneshot::channel::<()>();
        // When this queue and the router's are full, the endpoint answers 503 and the platform retries.
        let (sender, notifications) = mpsc::sync_channel(64);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let serving = serve(listener, router, async {
                    let _ = stopped.await;
                });
                let forward = async {
                    while let Some(verified) = queue.recv().await {
                        let sender = sender.clone();
                        let sent =
                            tokio::task::spawn_blocking(move || sender.send(verified).is_ok());
                        if !matches!(sent.await, Ok(true)) {
                            return;
                        }
                    }
                };
                let _ = tokio::join!(serving, forward);
            });
        });
        Ok(Self { address, notifications, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn notifications(&self) -> &mpsc::Receiver<Verified> {
        &self.notifications
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Makes room for notifications that are being forwarded.
        while self.notifications.try_recv().is_ok() {}
        // The thread is not joined: it may still wait for room, which it has only once the receiver is
        // dropped, after this.
        drop(self.thread.take());
    }
}
