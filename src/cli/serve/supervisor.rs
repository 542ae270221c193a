//! Notification of systemd that the relay is ready: a datagram to the socket named by `NOTIFY_SOCKET`.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// Tells systemd that the relay listens. Does nothing outside of a unit of `Type=notify`.
pub(super) fn tell_ready() {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&socket, b"READY=1") {
        tracing::warn!("could not tell NOTIFY_SOCKET that the relay is ready: {error}");
    }
}

fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let datagrams = UnixDatagram::unbound()?;
    // A full socket must cause an error and not block the relay.
    datagrams.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::net::SocketAddr;

        if let [b'@', name @ ..] = socket.as_bytes() {
            return datagrams.send_to_addr(message, &SocketAddr::from_abstract_name(name)?).map(drop);
        }
    }
    datagrams.send_to(message, Path::new(socket)).map(drop)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    use super::*;

    #[test]
    fn a_socket_is_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("jobwire-notify-{}", std::process::id());
        let named = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let placed = UnixDatagram::bind(&path).unwrap();
        for (socket, receiver) in [(path.into_os_string(), placed), (format!("@{name}").into(), named)] {
            send(&socket, b"READY=1").unwrap();
            let mut buffer = [0; 32];
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        assert!(send(OsStr::new("/nowhere/notify"), b"READY=1").is_err());
    }
}
