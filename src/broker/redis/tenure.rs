//! The time during which one server is the one to use: all connections to it end together.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::failure::Failure;
use super::opening::{Stream, Told};
use crate::wire::redis::Address;

/// A server in use, until it is left for a reason.
#[derive(Clone)]
pub(super) struct Tenure(Arc<Inner>);

struct Inner {
    address: Address,
    told: Told,
    ended: CancellationToken,
    why: OnceLock<Failure>,
}

impl Tenure {
    pub(super) fn new(address: Address, told: Told) -> Self {
        Self(Arc::new(Inner { address, told, ended: CancellationToken::new(), why: OnceLock::new() }))
    }

    pub(super) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Role that the server told when it was taken into use.
    pub(super) fn told(&self) -> &Told {
        &self.0.told
    }

    pub(super) fn is_of(&self, address: &Address) -> bool {
        self.0.address == *address
    }

    /// Ends every connection that is held: its next read fails with this failure.
    pub(super) fn end(&self, failure: Failure) {
        let _ = self.0.why.set(failure);
        self.0.ended.cancel();
    }

    /// A connection that ends with the tenure.
    pub(super) fn hold(&self, stream: Box<dyn Stream>) -> Box<dyn Stream> {
        let ended = Box::pin(self.0.ended.clone().cancelled_owned());
        Box::new(Held { stream, ended, tenure: self.clone() })
    }

    /// Whether the server was left. Asked before each read and write: costs a load, where the token takes a lock.
    fn is_over(&self) -> bool {
        self.0.why.get().is_some()
    }

    fn error(&self) -> io::Error {
        let failure = self.0.why.get().cloned();
        io::Error::other(failure.unwrap_or_else(|| Failure::Unreachable("the server was left".to_owned())))
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tenure").field(&self.0.address).finish()
    }
}

/// A connection to the server in use.
struct Held {
    stream: Box<dyn Stream>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    tenure: Tenure,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(read) if !self.tenure.is_over() => Poll::Ready(read),
            Poll::Ready(_) => Poll::Ready(Err(self.tenure.error())),
            Poll::Pending => self.ended.as_mut().poll(context).map(|()| Err(self.tenure.error())),
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.tenure.is_over() {
            return Poll::Ready(Err(self.tenure.error()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::broker::redis::opening::Manner;
    use crate::broker::redis::role::ServerRole;

    #[tokio::test]
    async fn connections_end_with_the_tenure_and_say_why() {
        let told = Told { role: ServerRole::Master, by: Manner::Role };
        let tenure = Tenure::new(Address::Unix("/s".into()), told);
        let (near, mut far) = tokio::io::duplex(64);
        let mut held = tenure.hold(Box::new(near));
        far.write_all(b"a").await.unwrap();
        assert_eq!(held.read_u8().await.unwrap(), b'a');
        let failure = Failure::ProbeLost("gone".to_owned());
        let (read, ()) = tokio::join!(held.read_u8(), async { tenure.end(failure.clone()) });
        assert_eq!(Failure::io(&read.unwrap_err()), failure);
        assert_eq!(Failure::io(&held.write_all(b"b").await.unwrap_err()), failure);
    }
}
