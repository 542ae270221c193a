//! The request that opens a shared socket, and the messages that name what does not fit into it. Pure.

use url::Url;

use super::resume::{Group, Resume};
use crate::wire::watch::ClientMessage;

/// Bytes of the query that targets may take: a relay reads a head of 16 KiB, and proxies one of 8 KiB. A token needs room too.
const MAX_QUERY: usize = 4 << 10;

/// Bytes of targets in one message: a relay takes a frame of 64 KiB.
const MAX_MESSAGE: usize = 32 << 10;

/// Settings of everything that is watched on a socket.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    /// Kinds of event to send; empty: all.
    pub(super) kinds: Vec<String>,
    /// Whether targets that are watched for the first time are told of the run so far.
    pub(super) replay: bool,
}

/// How a socket is opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Its URL.
    pub(super) url: Url,
    /// Places of the targets that the URL names.
    pub(super) targets: Vec<usize>,
    /// Messages to send, with the other targets.
    pub(super) messages: Vec<String>,
}

impl Request {
    /// The request for these groups, the first of which the URL names as far as it has room.
    pub(super) fn new(socket: &Url, groups: &[Group], resume: &Resume, wishes: &Wishes) -> Self {
        let mut url = socket.clone();
        let (mut targets, mut messages) = (Vec::new(), Vec::new());
        let Some((first, others)) = groups.split_first() else { return Self { url, targets, messages } };
        let mut room = MAX_QUERY;
        for target in &first.targets {
            let pair = format!("target={}", encoded(resume.name(*target)));
            match room.checked_sub(pair.len() + 1) {
                Some(left) => room = left,
                None => break,
            }
            append(&mut url, &pair);
            targets.push(*target);
        }
        match &first.since {
            Some(since) => append(&mut url, &format!("since={}", encoded(since))),
            None if wishes.replay => append(&mut url, "replay=1"),
            None => {}
        }
        if !wishes.kinds.is_empty() {
            append(&mut url, &format!("kinds={}", encoded(&wishes.kinds.join(","))));
        }
        messages.extend(watch(&first.targets[targets.len()..], first.since.as_deref(), resume, wishes));
        for group in others {
            messages.extend(watch(&group.targets, group.since.as_deref(), resume, wishes));
        }
        Self { url, targets, messages }
    }
}

/// Messages that name these targets, each of a size that a relay takes.
pub(super) fn watch(targets: &[usize], since: Option<&str>, resume: &Resume, wishes: &Wishes) -> Vec<String> {
    let names = targets.iter().map(|target| resume.name(*target).to_owned()).collect();
    watch_names(names, since, wishes)
}

/// As [`watch`], by name.
pub(super) fn watch_names(names: Vec<String>, since: Option<&str>, wishes: &Wishes) -> Vec<String> {
    let (mut parts, mut size) = (Vec::<Vec<String>>::new(), MAX_MESSAGE);
    for name in names {
        size += name.len() + 3;
        if size > MAX_MESSAGE {
            size = name.len() + 3;
            parts.push(Vec::new());
        }
        parts.last_mut().expect("a part was begun with the first name").push(name);
    }
    let kinds = Some(&wishes.kinds).filter(|kinds| !kinds.is_empty()).cloned();
    let message = |targets| {
        let since = since.map(str::to_owned);
        text(&ClientMessage::Watch { targets, since, kinds: kinds.clone() })
    };
    parts.into_iter().map(message).collect()
}

/// The text of a message.
pub(super) fn text(message: &ClientMessage) -> String {
    serde_json::to_string(message).expect("texts and lists of them are JSON")
}

/// A value of a query. `/`, `:` and `*` may stand in one as they are, and are easier to read so.
fn encoded(value: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b':')
        .remove(b'*')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b',');
    utf8_percent_encode(value, PLAIN).to_string()
}

fn append(url: &mut Url, pair: &str) {
    let query = url.query().map_or_else(|| pair.to_owned(), |query| format!("{query}&{pair}"));
    url.set_query(Some(&query));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Url {
        Url::parse("ws://h:1/watch?key=k").unwrap()
    }

    #[test]
    fn the_url_names_what_goes_on_and_messages_name_the_rest() {
        let resume = Resume::new(["scraping/1", "downloads/a b&c", "tasks/t"].map(str::to_owned));
        let groups = [
            Group { targets: vec![1, 2], since: Some("e.1f".into()) },
            Group { targets: vec![0], since: None },
        ];
        let wishes = Wishes { kinds: vec!["job_failed".into(), "error".into()], replay: true };
        let request = Request::new(&socket(), &groups, &resume, &wishes);
        assert_eq!(
            request.url.as_str(),
            "ws://h:1/watch?key=k&target=downloads/a%20b%26c&target=tasks/t&since=e.1f&kinds=job_failed,error"
        );
        assert_eq!(request.targets, [1, 2]);
        assert_eq!(
            request.messages,
            [r#"{"type":"watch","targets":["scraping/1"],"kinds":["job_failed","error"]}"#]
        );
        let anew =
            Request::new(&socket(), &groups[1..], &resume, &Wishes { replay: true, ..Wishes::default() });
        assert_eq!(anew.url.as_str(), "ws://h:1/watch?key=k&target=scraping/1&replay=1");
    }

    #[test]
    fn a_thousand_long_targets_are_named_in_pieces_that_a_relay_takes() {
        let names: Vec<String> = (0..1_000).map(|n| format!("downloads/{n:0>200}")).collect();
        let mut resume = Resume::new(names.clone());
        let (groups, _) = resume.opening(|_| false);
        let request = Request::new(&socket(), &groups, &resume, &Wishes::default());
        assert!(request.url.as_str().len() < MAX_QUERY + 100 && !request.targets.is_empty());
        let mut told: Vec<String> = names[..request.targets.len()].to_vec();
        for message in &request.messages {
            assert!(message.len() < 2 * MAX_MESSAGE);
            let Ok(ClientMessage::Watch { targets, .. }) = serde_json::from_str(message) else { panic!() };
            told.extend(targets);
        }
        assert_eq!(told, names);
    }
}
