//! A server that does what a test tells it, and a page that JSON is written on.

use std::io::{self, Write};
use std::sync::Mutex;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;

/// Impatient, so that no test waits for what it does not test.
pub(super) fn timing() -> Timing {
    Timing {
        attempt: Duration::from_secs(5),
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_millis(20),
        poll: Duration::from_millis(5),
        held: Duration::ZERO,
        ..Timing::default()
    }
}

pub(super) struct Server(TcpListener);

impl Server {
    pub(super) async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn options(&self, targets: &[&str]) -> AttachOptions {
        let all = Dialects::builtin();
        let address = self.0.local_addr().unwrap();
        let parse = |text: &&str| {
            Target::parse(&text.replace("HERE", &address.to_string()), &all, Some("scraping")).unwrap()
        };
        let targets = targets.iter().map(parse).collect();
        AttachOptions::new(targets, Url::parse(&format!("http://{address}")).unwrap())
    }

    /// The next connection and the path it asks for.
    pub(super) async fn next(&self) -> (TcpStream, String) {
        let (stream, path, _) = self.next_head().await;
        (stream, path)
    }

    /// The next connection, the path it asks for, and all of its head.
    pub(super) async fn next_head(&self) -> (TcpStream, String, String) {
        loop {
            let (stream, _) = self.0.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.peek(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]);
            // An attempt that was given up leaves an empty connection behind.
            match head.split(' ').nth(1) {
                // A server of the contracts, and no more.
                Some("/health") => answer(stream, "200 OK\r\ncontent-length: 2\r\n\r\n{}").await,
                Some(path) => return (stream, path.to_owned(), head.into_owned()),
                None => {}
            }
        }
    }

    /// The next socket; polls before it are answered with `status`.
    pub(super) async fn socket_with(&self, status: &str) -> (WebSocketStream<TcpStream>, String) {
        loop {
            let (stream, path) = self.next().await;
            if path.ends_with("/status") || path.starts_with("/task/") {
                answer(stream, status).await;
                continue;
            }
            return (accept_async(stream).await.unwrap(), path);
        }
    }

    pub(super) async fn socket(&self) -> WebSocketStream<TcpStream> {
        self.socket_with("404 Not Found\r\n\r\n").await.0
    }
}

/// Answers a request that was only peeked at.
pub(super) async fn answer(mut stream: TcpStream, answer: &str) {
    let mut head = vec![0; 4096];
    let _ = stream.read(&mut head).await;
    let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
}

pub(super) async fn send(socket: &mut WebSocketStream<TcpStream>, texts: &[&str]) {
    for text in texts {
        socket.send(Message::text(*text)).await.unwrap();
    }
}

/// Reads until the client closes.
pub(super) async fn until_closed(mut socket: WebSocketStream<TcpStream>) {
    while let Some(Ok(_)) = socket.next().await {}
}

pub(super) async fn close(socket: &mut WebSocketStream<TcpStream>, code: u16, reason: &'static str) {
    let frame = CloseFrame { code: code.into(), reason: reason.into() };
    socket.close(Some(frame)).await.unwrap();
}

/// What was written, and an error once so many bytes were.
#[derive(Clone, Default)]
pub(super) struct Page {
    pub(super) written: Arc<Mutex<Vec<u8>>>,
    pub(super) limit: Option<usize>,
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap();
        if self.limit.is_some_and(|limit| written.len() >= limit) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What each line is about, in a word.
    pub(super) fn words(&self) -> Vec<String> {
        let word = |line: &Value| {
            let connection = line["connection"].as_str();
            let event = line["event"]["event_type"].as_str();
            let status = line["status"]["status"].as_str().map(|status| format!("polled {status}"));
            connection.or(event).map(str::to_owned).or(status).unwrap()
        };
        // The results at the end are another test's business.
        self.lines().iter().filter(|line| line["result"].is_null()).map(word).collect()
    }
}

/// Watches with JSON while `script` plays the server.
pub(super) async fn play<T>(options: AttachOptions, script: impl Future<Output = T>) -> (AttachReport, Page) {
    let page = Page::default();
    let report = play_onto(&page, options, timing(), script).await;
    (report, page)
}

pub(super) async fn play_onto<T>(
    page: &Page,
    options: AttachOptions,
    timing: Timing,
    script: impl Future<Output = T>,
) -> AttachReport {
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let renderer = Box::new(Json::new(out, Filter(options.events.clone())));
    let stop = CancellationToken::new();
    let both = async { tokio::join!(watch(&options, None, &stop, outputs(renderer), timing), script).0 };
    timeout(DEADLINE, both).await.expect("it ends").unwrap()
}

/// Outputs of a renderer alone.
pub(super) fn outputs(renderer: Box<dyn Renderer>) -> watch::Outputs {
    watch::Outputs { renderer, junit: Junit::new(None), recording: Recording::new(None, &[]) }
}
