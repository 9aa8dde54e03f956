//! A webhook endpoint on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use lp_connector_axum::{Webhooks, serve};
use lp_connector_core::webhook::{Receiver, Verified};
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Listens until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    notifications: mpsc::Receiver<Verified>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn start(address: SocketAddr, receiver: Receiver) -> Result<Self, Failure> {
        let local = |why: std::io::Error| {
            Failure::Usage(format!(
                "cannot listen on {address}: {why}; choose another place with --listen or \
                 LP_WEBHOOK_LISTEN"
            ))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(local)?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).map_err(local)?;
        let address = listener.local_addr().map_err(local)?;
        let (router, mut queue) = Webhooks::new(receiver).split();
        let (stop, stopped) = oneshot::channel::<()>();
        // As large as the queue before it: when both are full the platform is told to come again.
        let (sender, notifications) = mpsc::sync_channel(64);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let serving = serve(listener, router, async {
                    let _ = stopped.await;
                });
                let pass_on = async {
                    while let Some(verified) = queue.recv().await {
                        let sender = sender.clone();
                        let sent =
                            tokio::task::spawn_blocking(move || sender.send(verified).is_ok());
                        if !matches!(sent.await, Ok(true)) {
                            return;
                        }
                    }
                };
                let _ = tokio::join!(serving, pass_on);
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
        // Makes room for whatever is still being passed on.
        while self.notifications.try_recv().is_ok() {}
        let thread = self.thread.take();
        // What waits for room is let go when the receiver is, after this; so the thread is not waited
        // for.
        drop(thread);
    }
}
