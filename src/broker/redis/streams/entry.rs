//! Makes of an entry of a stream the publication that it would have been on a channel; pure.

use serde_json::value::RawValue;

use crate::broker::{Entries, EntryFault};
use crate::wire::resp::Fields;

/// Bytes of a field that an event has even where all of it is too long.
const SHORT: u64 = 512;

/// Form of one stream's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manner {
    /// The payload is in `data`; the channel has this name.
    Data(Vec<u8>),
    /// The payload is in `data`, the job's id in `job`; the channel is this prefix and the id.
    DataOfJob(Vec<u8>),
    /// An event of a BullMQ queue; the channel is this prefix, which names the queue, and the job's id.
    Queue(Vec<u8>),
}

/// Scratch space, kept to be used again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    channel: Vec<u8>,
    payload: Vec<u8>,
}

/// Outcome of reading an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Composed<'a> {
    /// A publication.
    Publication { channel: &'a [u8], payload: &'a [u8] },
    /// An entry that is of no interest.
    Nothing,
    /// An entry of another form.
    Fault(EntryFault),
}

impl Manner {
    /// Makes the manner of the stream of this key.
    pub(super) fn new(key: &str, entries: &Entries) -> Self {
        match entries {
            Entries::Data => Self::Data(key.as_bytes().to_vec()),
            Entries::DataOfJob(prefix) => Self::DataOfJob(prefix.as_bytes().to_vec()),
        }
    }

    /// Makes the manner of a queue's events.
    pub(super) fn of_queue(prefix: &str, queue: &str) -> Self {
        Self::Queue(format!("{prefix}:{queue}:").into_bytes())
    }

    /// Makes a publication of an entry.
    pub(super) fn compose<'a>(&'a self, fields: Fields<'a>, scratch: &'a mut Scratch) -> Composed<'a> {
        match self {
            Self::Data(channel) => match fields.get(b"data") {
                Some(payload) => Composed::Publication { channel, payload },
                None => Composed::Fault(EntryFault::NoPayload),
            },
            Self::DataOfJob(prefix) => {
                let (mut payload, mut job) = (None, None);
                for (name, value) in fields {
                    match name {
                        b"data" => payload = payload.or(Some(value)),
                        b"job" => job = job.or(Some(value)),
                        _ => {}
                    }
                }
                match (payload, job.filter(|job| !job.is_empty())) {
                    (None, _) => Composed::Fault(EntryFault::NoPayload),
                    (_, None) => Composed::Fault(EntryFault::NoJob),
                    (Some(payload), Some(job)) => {
                        Composed::Publication { channel: joined(&mut scratch.channel, prefix, job), payload }
                    }
                }
            }
            Self::Queue(prefix) => {
                let job = fields.get(b"jobId").filter(|job| !job.is_empty());
                let Some(job) = job else { return Composed::Nothing };
                write_event(&mut scratch.payload, fields);
                let channel = joined(&mut scratch.channel, prefix, job);
                Composed::Publication { channel, payload: &scratch.payload }
            }
        }
    }

    /// The event of a queue without its long fields: of a job whose result is too large it shall be known that it has ended.
    /// Fields are a name, a value or its head, and the length of the whole value; `None` for an entry of another form.
    pub(super) fn shortened<'a, 'f>(
        &'a self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8], u64)>,
        scratch: &'a mut Scratch,
    ) -> Option<(&'a [u8], &'a [u8])> {
        let Self::Queue(prefix) = self else { return None };
        let mut job = None;
        let short = fields.filter(|(_, value, len)| value.len() as u64 == *len && *len <= SHORT);
        let fields = short.map(|(name, value, _)| (name, value)).inspect(|(name, value)| {
            if *name == b"jobId" {
                job = job.or(Some(*value));
            }
        });
        write_event(&mut scratch.payload, fields);
        let job = job.filter(|job| !job.is_empty())?;
        Some((joined(&mut scratch.channel, prefix, job), &scratch.payload))
    }

    /// The channel of an entry that is too long, from the beginnings of its fields.
    pub(super) fn channel_of_job(&self, job: Option<&[u8]>) -> Vec<u8> {
        match self {
            Self::Data(channel) => channel.clone(),
            Self::DataOfJob(prefix) | Self::Queue(prefix) => [prefix, job.unwrap_or_default()].concat(),
        }
    }

    /// The field of the job's id, where there is one.
    pub(super) const fn job_field(&self) -> Option<&'static [u8]> {
        match self {
            Self::Data(_) => None,
            Self::DataOfJob(_) => Some(b"job"),
            Self::Queue(_) => Some(b"jobId"),
        }
    }
}

fn joined<'a>(out: &'a mut Vec<u8>, prefix: &[u8], job: &[u8]) -> &'a [u8] {
    out.clear();
    out.extend_from_slice(prefix);
    out.extend_from_slice(job);
    out
}

/// Writes a queue's event as a JSON object: its fields in order, each a text, but `data` and `returnvalue` as the JSON that
/// they are, where they are.
fn write_event<'f>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) {
    out.clear();
    out.push(b'{');
    for (name, value) in fields {
        if out.len() > 1 {
            out.push(b',');
        }
        write_text(out, name);
        out.push(b':');
        match json(value).filter(|_| matches!(name, b"data" | b"returnvalue")) {
            Some(json) => out.extend_from_slice(json.as_bytes()),
            None => write_text(out, value),
        }
    }
    out.push(b'}');
}

fn json(value: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&RawValue>(value).ok().map(RawValue::get)
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    // Writing into memory does not fail, and a text is always JSON.
    let _ = serde_json::to_writer(out, text.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resp::{Answer, EntryHandler, EntryReader, LongField, command};

    /// Notes the outcome of one entry.
    struct Seen<'a>(&'a Manner, String);

    impl EntryHandler for Seen<'_> {
        fn stream(&mut self, _: &[u8]) {}

        fn entry(&mut self, _: &[u8], fields: Fields<'_>) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.1 = match self.0.compose(fields, &mut Scratch::default()) {
                Composed::Publication { channel, payload } => format!("{} {}", text(channel), text(payload)),
                other => format!("{other:?}"),
            };
        }

        fn long_entry(&mut self, _: &[u8], _: &[LongField]) {}

        fn error(&mut self, _: &[u8]) {}
    }

    fn composed(manner: &Manner, fields: &[&str]) -> String {
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
        let mut wire = b"*1\r\n*2\r\n$3\r\n1-0\r\n".to_vec();
        command(&mut wire, &fields);
        let mut reader = EntryReader::new(10_000);
        reader.space()[..wire.len()].copy_from_slice(&wire);
        reader.filled(wire.len());
        reader.expect(Answer::Range);
        let mut seen = Seen(manner, String::new());
        assert!(reader.entries(&mut seen).unwrap());
        seen.1
    }

    #[test]
    fn an_entry_is_what_it_would_have_been_on_its_channel() {
        let data = Manner::new("events", &Entries::Data);
        assert_eq!(composed(&data, &["data", "{}"]), "events {}");
        assert_eq!(composed(&data, &["more", "1", "data", "", "data", "2"]), "events ");
        let of_job = Manner::new("jobs", &Entries::DataOfJob("jobs:".to_owned()));
        assert_eq!(composed(&of_job, &["data", "{}", "job", "a/b"]), "jobs:a/b {}");
        assert_eq!(composed(&of_job, &["job", "7", "data", "{}"]), "jobs:7 {}");
    }

    #[test]
    fn an_entry_of_another_form_is_a_fault() {
        let (data, of_job) = (Manner::Data(b"a".to_vec()), Manner::DataOfJob(b"a:".to_vec()));
        for (manner, fields, fault) in [
            (&data, &["payload", "{}"][..], EntryFault::NoPayload),
            (&data, &[], EntryFault::NoPayload),
            (&data, &["data"], EntryFault::NoPayload),
            (&of_job, &["job", "7"], EntryFault::NoPayload),
            (&of_job, &["data", "{}"], EntryFault::NoJob),
            (&of_job, &["data", "{}", "job", ""], EntryFault::NoJob),
        ] {
            assert_eq!(composed(manner, fields), format!("{:?}", Composed::Fault(fault)));
        }
    }

    #[test]
    fn an_event_of_a_queue_is_an_object_of_its_fields() {
        let queue = Manner::of_queue("bull", "a/b");
        let progress = ["event", "progress", "jobId", "7", "data", r#"{"step": 1}"#];
        let wanted = r#"bull:a/b:7 {"event":"progress","jobId":"7","data":{"step": 1}}"#;
        assert_eq!(composed(&queue, &progress), wanted);
        let completed = ["event", "completed", "jobId", "7", "returnvalue", "no JSON", "prev", "active"];
        let wanted =
            r#"bull:a/b:7 {"event":"completed","jobId":"7","returnvalue":"no JSON","prev":"active"}"#;
        assert_eq!(composed(&queue, &completed), wanted);
        let failed = ["event", "failed", "jobId", "\"", "failedReason", "{}\n\u{fc}"];
        let wanted = "bull:a/b:\" {\"event\":\"failed\",\"jobId\":\"\\\"\",\"failedReason\":\"{}\\n\u{fc}\"}";
        assert_eq!(composed(&queue, &failed), wanted);
        let long = [
            ("event", "completed", 9),
            ("jobId", "7", 1),
            ("returnvalue", "\"x", 9_000_000),
            ("prev", "active", 6),
        ];
        let fields = || long.iter().map(|(name, value, len)| (name.as_bytes(), value.as_bytes(), *len));
        let mut scratch = Scratch::default();
        let shortened = (&b"bull:a/b:7"[..], &br#"{"event":"completed","jobId":"7","prev":"active"}"#[..]);
        assert_eq!(queue.shortened(fields(), &mut scratch), Some(shortened));
        assert_eq!(queue.shortened(fields().skip(2), &mut scratch), None, "it names no job");
        assert_eq!(Manner::Data(b"a".to_vec()).shortened(fields(), &mut scratch), None);
        assert_eq!(composed(&queue, &["event", "drained"]), "Nothing");
        assert_eq!(composed(&queue, &["foreign", "1"]), "Nothing");
    }
}
