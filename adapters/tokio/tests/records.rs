//! What TLS gives together is written together.

use std::future::poll_fn;
use std::io::IoSlice;
use std::net::TcpListener;
use std::pin::Pin;

use futures_io::AsyncWrite as _;
use lp_connector_async::Runtime as _;
use lp_connector_tokio::Tokio;

#[test]
fn several_records_leave_in_one_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let written = runtime.block_on(async {
        let tokio = Tokio::default();
        let mut stream = tokio.connect(listener.local_addr().unwrap()).await.unwrap();
        let records = [IoSlice::new(b"Coo"), IoSlice::new(b"Coo?")];
        poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &records)).await
    });
    assert_eq!(written.unwrap(), 7);
}
