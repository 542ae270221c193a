//! The server's side of the opening handshake (RFC 6455, section 4.2).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::error::ApiError;
use super::subprotocol;
use crate::wire::deflate;

/// The 101 for a proper upgrade request, with the extension and the subprotocol that are agreed on.
pub(super) fn respond(method: &Method, version: Version, headers: &HeaderMap) -> Result<Response, ApiError> {
    // The router lets HEAD in where GET is served, and HTTP/1.0 knows no upgrade.
    if *method != Method::GET
        || version < Version::HTTP_11
        || !has_token(headers, &header::CONNECTION, "upgrade")
        || !has_token(headers, &header::UPGRADE, "websocket")
    {
        let message = "this path is a WebSocket; send an upgrade request";
        return Err(ApiError::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", message)
            .with(header::UPGRADE, HeaderValue::from_static("websocket")));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "bad_version",
            "the WebSocket version here is 13",
        )
        .with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
    let Some(key) = key else {
        let message = "Sec-WebSocket-Key is 16 bytes in base64";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_key", message));
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    let out = response.headers_mut();
    out.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    out.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    out.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    let extension = extensions(headers).map(HeaderValue::from_static);
    out.extend(extension.map(|agreed| (header::SEC_WEBSOCKET_EXTENSIONS, agreed)));
    out.extend(subprotocol::choose(headers).map(|chosen| (header::SEC_WEBSOCKET_PROTOCOL, chosen)));
    Ok(response)
}

/// The extension that is agreed on, as the answer names it: permessage-deflate, where it is offered in a way that can be
/// met. An odd offer is done without.
pub(super) fn extensions(headers: &HeaderMap) -> Option<&'static str> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    deflate::accept(offers.iter().map(HeaderValue::as_bytes))
}

/// Whether a comma-separated header has the token, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// 16 bytes are 22 base64 digits and two signs of padding.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(change: impl FnOnce(&mut HeaderMap)) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        change(&mut headers);
        headers
    }

    fn request(change: impl FnOnce(&mut HeaderMap)) -> Result<Response, ApiError> {
        respond(&Method::GET, Version::HTTP_11, &headers(change))
    }

    #[test]
    fn the_rfc_s_own_example_is_accepted() {
        let response = request(|_| {}).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_proper_upgrade_is_refused() {
        use axum::response::IntoResponse;
        let status = |result: Result<Response, ApiError>| result.unwrap_err().into_response().status();
        let without = |name: HeaderName| request(move |headers| drop(headers.remove(name)));
        let headers = headers(|_| {});
        assert_eq!(status(respond(&Method::HEAD, Version::HTTP_11, &headers)), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(status(respond(&Method::GET, Version::HTTP_10, &headers)), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(status(without(header::UPGRADE)), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(status(without(header::CONNECTION)), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(status(without(header::SEC_WEBSOCKET_VERSION)), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(status(without(header::SEC_WEBSOCKET_KEY)), StatusCode::BAD_REQUEST);
        let short = request(|headers| {
            drop(headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("abc")));
        });
        assert_eq!(status(short), StatusCode::BAD_REQUEST);
    }
}
