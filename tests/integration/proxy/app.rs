//! The app behind the proxy: answers every request with what it was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

/// A server whose answers bear `X-App: yes`; it runs until the tests end.
pub(crate) struct App {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl App {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::default();
        let sink = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that is gone needs no answer.
                let _ = answer(&stream, &sink);
            }
        });
        Self { address, asked }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Method and path of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: &TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some((method, path)) =
        line.split_once(' ').and_then(|(method, rest)| Some((method, rest.split_once(' ')?.0)))
    else {
        return Ok(());
    };
    let mut headers = serde_json::Map::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.into());
    }
    let length = headers.get("content-length").and_then(|length| length.as_str()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    asked.lock().unwrap().push(format!("{method} {path}"));
    let body =
        json!({ "method": method, "headers": headers, "body": String::from_utf8_lossy(&body) }).to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 202 Accepted\r\nX-App: yes\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
