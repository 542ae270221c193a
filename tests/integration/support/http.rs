//! TCP without manners, and just enough HTTP on top.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A TCP connection for bytes of any kind.
pub(crate) struct RawTcp(pub(crate) TcpStream);

impl RawTcp {
    /// Connects to host and port.
    pub(crate) fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).unwrap())
    }

    /// Sends bytes; the server may have hung up already.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.write_all(bytes.as_ref())
    }

    /// Reads until the bytes so far satisfy `enough` or the server hangs up; panics when neither happens in time.
    pub(crate) fn read_until(&mut self, deadline: Duration, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let (start, mut bytes, mut chunk) = (Instant::now(), Vec::new(), [0; 4096]);
        while !enough(&bytes) {
            let left = deadline.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
            self.0.set_read_timeout(Some(left)).unwrap();
            match self.0.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => {
                    panic!("{error} within {deadline:?}, after {:?}", String::from_utf8_lossy(&bytes))
                }
            }
        }
        bytes
    }

    /// Reads until the server hangs up.
    pub(crate) fn read_to_end(&mut self, deadline: Duration) -> Vec<u8> {
        self.read_until(deadline, |_| false)
    }
}

/// Status and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Sends a whole request that asks for `Connection: close`; status and body of the answer.
pub(crate) fn request(address: &str, request: &str) -> (u16, String) {
    let mut tcp = RawTcp::connect(address);
    tcp.send(request).unwrap();
    let answer = String::from_utf8(tcp.read_to_end(PATIENCE)).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {head:?}")), body.to_owned())
}
