//! A host in front of a Redis that can go deaf: connections open, and nothing on them is answered.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A forwarder in front of a Redis.
pub(super) struct Host {
    pub(super) url: String,
    /// Whether new connections are forwarded; those forwarded before end when they no longer are.
    listens: Arc<watch::Sender<bool>>,
    /// Connections that got no answer, since it became deaf.
    swallowed: watch::Receiver<usize>,
}

impl Host {
    /// Forwards nothing yet. What was swallowed is never answered, later neither.
    pub(super) fn deaf(port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        let listens = Arc::new(watch::Sender::new(false));
        let (count, swallowed) = watch::channel(0);
        let switch = Arc::clone(&listens);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if *switch.borrow() {
                    count.send_replace(0);
                    tokio::spawn(forward(stream, port, switch.subscribe()));
                } else {
                    count.send_modify(|count| *count += 1);
                    tokio::spawn(swallow(stream));
                }
            }
        });
        Self { url, listens, swallowed }
    }

    /// Answers those who connect from now on.
    pub(super) fn listen(&self) {
        self.listens.send_replace(true);
    }

    /// Ends what it forwards, and answers nobody who connects from now on.
    pub(super) fn swallow(&self) {
        self.listens.send_replace(false);
    }

    /// Waits until so many connections got no answer.
    pub(super) async fn swallowed(&self, count: usize) {
        self.swallowed.clone().wait_for(|swallowed| *swallowed >= count).await.unwrap();
    }
}

async fn forward(mut stream: TcpStream, port: u16, mut listens: watch::Receiver<bool>) {
    let mut redis = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut redis) => {}
        _ = listens.wait_for(|listens| !listens) => {}
    }
}

async fn swallow(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}
