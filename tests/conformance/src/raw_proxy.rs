//! A proxy that makes tunnels, or refuses to.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::raw_server::read_request;

/// A proxy that makes tunnels, or refuses to.
pub(crate) struct RawProxy {
    address: SocketAddr,
    tunnels: Arc<Mutex<Vec<String>>>,
}

impl RawProxy {
    pub(crate) fn start(refuse: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tunnels = Arc::new(Mutex::new(Vec::new()));
        let seen = tunnels.clone();
        thread::spawn(move || {
            // More connections than any case makes.
            for stream in listener.incoming().take(20).flatten() {
                let seen = seen.clone();
                thread::spawn(move || tunnel(stream, refuse, &seen));
            }
        });
        Self { address, tunnels }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://user:s3cr3t@{}", self.address)
    }

    /// Where the tunnels led.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        self.tunnels.lock().unwrap().clone()
    }
}

fn tunnel(mut client: TcpStream, refuse: bool, seen: &Mutex<Vec<String>>) {
    let requests = Mutex::new(Vec::new());
    if read_request(&mut client, &requests).is_err() {
        return;
    }
    let line = requests.lock().unwrap().pop().unwrap();
    let to = line.split(' ').nth(1).unwrap_or_default().to_owned();
    if refuse {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
    }
    seen.lock().unwrap().push(to.clone());
    let Ok(mut server) = TcpStream::connect(to) else { return };
    if client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").is_err() {
        return;
    }
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let forth = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = forth.join();
}
