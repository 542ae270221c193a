//! A server of event streams that does what a relay does not: chunks, odd pieces, ends in the middle. Events come in by POST.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::{bench, cohort};

/// What it does with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its body is chunked, and chunks end anywhere.
    Chunked,
    /// Its body ends with the connection; comments, retries and ids stand between events.
    Plain,
    /// The connection ends after so many events, in the middle of the next.
    Cut(usize),
    /// The body ends by its last chunk after so many events.
    Over(usize),
    /// A last event says why it ends.
    Close,
    /// The chunks are none.
    Broken,
}

/// Streams that are open, and how many events each got.
type Open = Arc<Mutex<Vec<(TcpStream, usize)>>>;

/// Starts a server; it ends with the process. Its address.
fn start(way: Way) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let open = Open::default();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let open = Arc::clone(&open);
            std::thread::spawn(move || serve(stream.unwrap(), way, &open));
        }
    });
    address
}

/// One connection: a stream, or POSTs one after the other.
fn serve(mut stream: TcpStream, way: Way, open: &Open) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while matches!(reader.read_line(&mut line), Ok(read) if read > 2) {
            head.push_str(&line.to_lowercase());
            line.clear();
        }
        if head.contains("accept: text/event-stream") {
            let chunked = matches!(way, Way::Chunked | Way::Over(_) | Way::Broken);
            let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            // Listed first: whoever is told that it is connected is.
            let mut all = open.lock().unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{coding}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            write(&mut stream, way, b"retry: 1000\n\nid: 7\n\n: hello\n\n");
            return all.push((stream, 0));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let Some(length) = length else { return };
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        open.lock().unwrap().retain_mut(|(socket, events)| send(socket, events, way, &body));
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    }
}

/// Whether the stream goes on.
fn send(socket: &mut TcpStream, events: &mut usize, way: Way, body: &[u8]) -> bool {
    *events += 1;
    let event = [b"event: message\r\nid: 8\rdata: ", body, b"\n\n: there\n\n"].concat();
    match way {
        Way::Cut(after) if *events > after => {
            drop(socket.write_all(&event[..event.len() / 2]));
            let _ = socket.shutdown(std::net::Shutdown::Both);
            false
        }
        Way::Over(after) if *events > after => {
            drop(socket.write_all(b"0\r\n\r\n"));
            false
        }
        Way::Close if *events > 1 => {
            drop(socket.write_all(b"event: close\ndata: {\"code\":1013,\"reason\":\"too slow\"}\n\n"));
            false
        }
        Way::Broken if *events > 1 => socket.write_all(b"not a chunk\r\n").is_ok(),
        _ => {
            write(socket, way, &event);
            true
        }
    }
}

fn write(socket: &mut TcpStream, way: Way, bytes: &[u8]) {
    if matches!(way, Way::Cut(_) | Way::Close | Way::Plain) {
        return drop(socket.write_all(bytes));
    }
    for piece in bytes.chunks(7) {
        let chunk = [format!("{:x};odd=1\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        drop(socket.write_all(&chunk));
    }
}

fn run(way: Way, more: &[&str]) -> serde_json::Value {
    let address = start(way);
    let (server, publish) = (format!("ws://{address}"), format!("http://{address}/{{channel}}"));
    let args = ["--transport", "sse", "--server", &server, "--publish-url", &publish, "--allow-client-bound"];
    let load = ["-c", "10", "--jobs", "1", "-r", "50", "-d", "1s", "--warm-up", "0s"];
    let (output, summary) = bench(&[&args[..], &load, more].concat());
    assert_eq!(output.code, 0, "{way:?}: {}", output.stderr);
    summary
}

#[test]
fn a_stream_of_any_form_is_read_event_by_event() {
    for way in [Way::Plain, Way::Chunked] {
        let summary = run(way, &["--assert", "missing==0"]);
        let healthy = cohort(&summary, "healthy");
        let counts = ["expected", "received", "duplicated"].map(|name| healthy[name].as_u64());
        assert_eq!(counts, [Some(500), Some(500), Some(0)], "{way:?}: {healthy}");
        assert_eq!(summary["connections"]["garbage"], 0, "{way:?}");
        let subscribing = &summary["subscribing"];
        assert_eq!(subscribing["transport"], "sse");
        let messages = subscribing["message_bytes"].as_u64().unwrap();
        let wire = summary["connections"]["received_bytes"].as_u64().unwrap();
        assert!(messages > 0 && wire > messages, "{way:?}: {messages} of {wire}");
    }
}

#[test]
fn a_stream_that_ends_is_an_early_end_and_its_rest_is_lost() {
    for (way, code, reason) in [
        (Way::Cut(20), None, "the event stream ended"),
        (Way::Over(20), None, "the event stream ended"),
        (Way::Close, Some(1013), "too slow"),
        (Way::Broken, None, "the response is not chunked as it says"),
    ] {
        let address = start(way);
        let (server, publish) = (format!("ws://{address}"), format!("http://{address}/{{channel}}"));
        let args =
            ["--transport", "sse", "--server", &server, "--publish-url", &publish, "--allow-client-bound"];
        let load = ["-c", "10", "--jobs", "1", "-r", "50", "-d", "1s", "--warm-up", "0s"];
        let (output, summary) = bench(&[&args[..], &load].concat());
        assert_eq!(output.code, 3, "{way:?}: no connection was left at the end: {}", output.stderr);
        let closes = summary["connections"]["closed_early"].as_array().unwrap();
        assert_eq!(closes.len(), 1, "{way:?}: {closes:?}");
        let close = &closes[0];
        let said = (close["code"].as_u64(), close["reason"].as_str().unwrap(), close["count"].as_u64());
        assert_eq!(said, (code, reason, Some(10)), "{way:?}");
        let healthy = cohort(&summary, "healthy");
        let received = healthy["received"].as_u64().unwrap();
        let each = if matches!(way, Way::Cut(_) | Way::Over(_)) { 20 } else { 1 };
        assert_eq!(
            (received, healthy["lost"].as_u64()),
            (10 * each, Some(500 - 10 * each)),
            "{way:?}: {healthy}"
        );
    }
}
