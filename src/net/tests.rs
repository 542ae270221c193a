use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;

use super::tls::Tls;
use super::websocket::{Limits, Message};
use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn a_server_s_url_becomes_that_of_a_socket_or_a_request() {
    let cases = [
        ("http://h:8000", "ws://h:8000/ws/a", "http://h:8000/ws/a"),
        ("ws://h", "ws://h/ws/a", "http://h/ws/a"),
        ("https://h/relay/", "wss://h/relay/ws/a", "https://h/relay/ws/a"),
        ("wss://h:444?token=t", "wss://h:444/ws/a?token=t", "https://h:444/ws/a?token=t"),
    ];
    for (server, socket, http) in cases {
        assert_eq!(socket_url(&url(server), "/ws/a").as_str(), socket);
        assert_eq!(http_url(&url(server), "/ws/a").as_str(), http);
    }
}

#[test]
fn an_address_shows_neither_path_nor_query_nor_user() {
    assert_eq!(address(&url("wss://me:secret@h/ws/1?token=secret")), "h:443");
    assert_eq!(address(&url("ws://[::1]:8000/x")), "[::1]:8000");
}

#[test]
fn the_message_of_an_error_body_is_printable() {
    let body = b"{\"error\":\"forbidden\",\"message\":\"no \\u001b[31mway\"}";
    assert_eq!(words_of(body).1.as_deref(), Some("no way"));
    assert_eq!(words_of(b"<html>"), (None, None));
}

/// A server that handles one connection with `serve` and then goes away.
async fn once<F, S>(serve: S) -> Url
where
    F: Future<Output = ()> + Send + 'static,
    S: FnOnce(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(&format!("ws://{}/ws/scraping/1", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop(listener);
        serve(stream).await;
    });
    url
}

/// A server that reads a request and answers with these bytes.
async fn answering(answer: impl Into<Vec<u8>>) -> Url {
    let answer = answer.into();
    once(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(&answer).await;
    })
    .await
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn both_errors(answer: &'static str) -> [NetError; 2] {
    let socket = websocket::connect(&answering(answer).await, &Tls::default(), Limits::default(), DEADLINE)
        .await
        .unwrap_err();
    let plain =
        http::request(Method::GET, &answering(answer).await, &[], Bytes::new(), &Tls::default(), DEADLINE)
            .await;
    [socket, plain.unwrap_err()]
}

#[tokio::test]
async fn what_listens_there_is_told_apart() {
    let gone = once(|_| async {}).await;
    drop(TcpStream::connect(gone.socket_addrs(|| None).unwrap()[0]).await.unwrap());
    while TcpStream::connect(gone.socket_addrs(|| None).unwrap()[0]).await.is_ok() {}
    let error = websocket::connect(&gone, &Tls::default(), Limits::default(), DEADLINE).await.unwrap_err();
    assert_eq!(error, NetError::Refused { address: address(&gone) });

    for error in both_errors("-ERR unknown command\r\n").await {
        assert!(matches!(error, NetError::NotHttp { .. }), "{error}");
    }
    for error in both_errors("").await {
        assert!(error.to_string().ends_with("it closed the connection without an answer"), "{error}");
    }
    let forbidden = "HTTP/1.1 403 Forbidden\r\ncontent-length: 25\r\n\r\n{\"message\":\"origin gone\"}";
    let error = websocket::connect(&answering(forbidden).await, &Tls::default(), Limits::default(), DEADLINE)
        .await
        .unwrap_err();
    let NetError::Status { status: 403, message, .. } = error else { panic!("{error}") };
    assert_eq!(message.as_deref(), Some("origin gone"));
}

#[tokio::test]
async fn a_server_of_http_1_0_answers_with_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(&format!("ws://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.0 404 Not Found\r\n\r\n").await;
        }
    });
    let error = websocket::connect(&url, &Tls::default(), Limits::default(), DEADLINE).await.unwrap_err();
    assert_eq!(
        error,
        NetError::Status {
            address: address(&url),
            status: 404,
            code: None,
            message: None,
            redirect: None,
            retry_after: None
        }
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let url = once(|mut stream| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    let short = Duration::from_millis(50);
    let error = websocket::connect(&url, &Tls::default(), Limits::default(), short).await.unwrap_err();
    assert_eq!(error, NetError::TimedOut { address: address(&url), after: short });
}

#[tokio::test]
async fn a_name_that_means_nothing_is_named() {
    let url = url("ws://nobody.invalid/");
    let error = websocket::connect(&url, &Tls::default(), Limits::default(), DEADLINE).await.unwrap_err();
    assert!(matches!(&error, NetError::Name { host, .. } if host == "nobody.invalid"), "{error}");
}

#[tokio::test]
async fn tls_to_a_plain_server_is_a_tls_error() {
    let plain = once(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let mut url = plain.await;
    url.set_scheme("wss").unwrap();
    let error = stream::within(&url, DEADLINE, stream::establish(&url, &Tls::default())).await.unwrap_err();
    assert!(matches!(error, NetError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_request_carries_its_headers_and_body_and_brings_the_answer_back() {
    let (sent, received) = tokio::sync::oneshot::channel();
    let url = once(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        let mut body = [0; 2];
        stream.read_exact(&mut body).await.unwrap();
        sent.send((head, body)).unwrap();
        stream.write_all(b"HTTP/1.1 201 Created\r\n\r\n{\"subscribers\":1}").await.unwrap();
    })
    .await;
    let headers = [("authorization", "Bearer key")];
    let body = Bytes::from_static(b"{}");
    let answer = http::request(Method::POST, &http_url(&url, ""), &headers, body, &Tls::default(), DEADLINE)
        .await
        .unwrap();
    assert_eq!((answer.status, &answer.body[..]), (201, &b"{\"subscribers\":1}"[..]));
    let (head, body) = received.await.unwrap();
    assert!(head.starts_with("POST /ws/scraping/1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", address(&url))), "{head}");
    assert!(head.contains("authorization: Bearer key\r\n"), "{head}");
    assert_eq!(&body, b"{}");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_limit() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(answer.len() + http::MAX_BODY + 1, b'x');
    let url = answering(answer).await;
    let error =
        http::request(Method::GET, &url, &[], Bytes::new(), &Tls::default(), DEADLINE).await.unwrap_err();
    assert_eq!(error, NetError::TooBig { address: address(&url), limit: http::MAX_BODY });
}

#[tokio::test]
async fn a_socket_reads_events_and_answers_pings() {
    let (done, answered) = tokio::sync::oneshot::channel();
    let url = once(move |stream| async move {
        let mut socket = accept_async(stream).await.unwrap();
        socket.send(Message::text("{}")).await.unwrap();
        socket.send(Message::Ping(Bytes::from_static(b"7"))).await.unwrap();
        done.send(socket.next().await.unwrap().unwrap()).unwrap();
    })
    .await;
    let mut socket = websocket::connect(&url, &Tls::default(), Limits::default(), DEADLINE).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("{}"));
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    assert_eq!(answered.await.unwrap(), Message::Pong(Bytes::from_static(b"7")));
    reader.await.unwrap();
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let url = once(|stream| async move {
        let mut socket = accept_async(stream).await.unwrap();
        let _ = socket.send(Message::text("x".repeat(101))).await;
        let _ = socket.next().await;
    })
    .await;
    let mut socket =
        websocket::connect(&url, &Tls::default(), Limits { message: 100 }, DEADLINE).await.unwrap();
    let error = websocket::lost(&url, &socket.next().await.unwrap().unwrap_err());
    assert!(error.to_string().contains("Message too long"), "{error}");
}
