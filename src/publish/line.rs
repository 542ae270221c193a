//! A line of standard input and the event that it stands for.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dialect::{Assignment, Dialect, FieldError, Given, Opens, Shorthand, WholeError};
use crate::emit::{Content, Outgoing};

/// The longest line, in bytes: a relay takes no longer payload.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Over [`MAX_LINE`].
    #[error("longer than 1 MiB")]
    TooLong,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// None of the forms.
    #[error("neither a JSON object, nor a number such as 45 or 45%, nor '# text'")]
    Shape,
    /// A number that is no percentage.
    #[error("a progress is from 0 to 100, got {0}")]
    Percent(String),
    /// Just the `#`.
    #[error("no text after '#'")]
    NoText,
    /// The dialect has no event for it.
    #[error("{dialect} events have no {what}; write a whole event instead")]
    NoShorthand {
        /// The dialect's name.
        dialect: String,
        /// `progress` or `message`.
        what: &'static str,
    },
    /// Short forms need a job.
    #[error("names no job; only whole events do, so give the target as {0}/JOB")]
    NoJob(String),
    /// A whole event that cannot be published.
    #[error(transparent)]
    Whole(#[from] WholeError),
    /// The number or the text does not fit the dialect's field.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Reads lines one after the other and remembers the last progress and message, so that each event carries both.
#[derive(Debug)]
pub(crate) struct Lines {
    dialect: Arc<Dialect>,
    job: Option<String>,
    /// Whether whole events are held against the catalogue.
    checked: bool,
    /// As the user wrote it.
    progress: Option<String>,
    message: Option<String>,
    first: bool,
}

impl Lines {
    /// For events of `job`; without one every event names its own. Where the dialect has channels, `job` is one of them,
    /// and without it every event goes to the channel of its type.
    pub(crate) fn new(dialect: Arc<Dialect>, job: Option<String>) -> Self {
        Self { dialect, job, checked: true, progress: None, message: None, first: true }
    }

    /// The same, for whole events of any kind with any fields.
    #[must_use]
    pub(crate) fn unchecked(self) -> Self {
        Self { checked: false, ..self }
    }

    /// The event that a line stands for; `None` for a blank one.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<Option<Outgoing>, LineError> {
        let text = String::from_utf8_lossy(line);
        let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
        // Some programs begin what they write with a byte order mark.
        let text = if self.first { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        self.first = false;
        if text.is_empty() {
            return Ok(None);
        }
        // A message may name a file in any encoding; what a machine reads may not be guessed at.
        if !is_text && !text.starts_with('#') {
            return Err(LineError::NotUtf8);
        }
        if text.starts_with('{') {
            return self.whole(text).map(Some);
        }
        if let Some(message) = text.strip_prefix('#') {
            return self.message(message.trim()).map(Some);
        }
        self.progress(text).map(Some)
    }

    fn whole(&mut self, text: &str) -> Result<Outgoing, LineError> {
        let job = self.job.as_deref();
        let whole = if self.checked {
            self.dialect.check_whole(text, job)?
        } else {
            self.dialect.unchecked_whole(text, job)?
        };
        let (job, payload) = (whole.job, whole.payload.into_owned());
        let event = Outgoing { dialect: Arc::clone(&self.dialect), job, content: Content::Whole(payload) };
        if self.job.is_some() {
            self.remember(&event);
        }
        Ok(event)
    }

    /// Takes over what a whole event says of progress and message.
    fn remember(&mut self, event: &Outgoing) {
        let Content::Whole(payload) = &event.content else { return };
        let channel = event.channel();
        let Ok(decoded) = self.dialect.decode(channel.as_bytes(), payload.as_bytes()) else { return };
        if decoded.kind.is_some_and(|kind| kind.opens == Opens::Always) {
            (self.progress, self.message) = (None, None);
        }
        if let Some(percent) = decoded.percent {
            self.progress = Some(percent.to_string());
        }
        if let Some(message) = self.dialect.view(payload).and_then(|view| view.message) {
            self.message = Some(message);
        }
    }

    fn progress(&mut self, text: &str) -> Result<Outgoing, LineError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let percent: f64 = number.parse().ok().filter(|_| plain).ok_or(LineError::Shape)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(LineError::Percent(number.to_owned()));
        }
        let shorthand = self.dialect.catalogue.progress.clone();
        let event = self.short(shorthand.as_ref(), "progress", Some(number), None)?;
        self.progress = Some(number.to_owned());
        Ok(event)
    }

    fn message(&mut self, text: &str) -> Result<Outgoing, LineError> {
        let shorthand = self.dialect.catalogue.message.clone();
        let event = self.short(shorthand.as_ref(), "message", None, Some(text))?;
        if text.is_empty() {
            return Err(LineError::NoText);
        }
        self.message = Some(text.to_owned());
        Ok(event)
    }

    /// The event of a short form, with what it does not say taken from memory.
    fn short(
        &self,
        shorthand: Option<&Shorthand>,
        what: &'static str,
        progress: Option<&str>,
        message: Option<&str>,
    ) -> Result<Outgoing, LineError> {
        let dialect = &self.dialect;
        let Some(Shorthand { event, .. }) = shorthand else {
            return Err(LineError::NoShorthand { dialect: dialect.name.to_string(), what });
        };
        let Some(job) = &self.job else { return Err(LineError::NoJob(dialect.name.to_string())) };
        let def = dialect.catalogue.event(event)?;
        let field = |shorthand: &Option<Shorthand>| {
            let name = &shorthand.as_ref()?.field;
            def.fields.iter().any(|field| field.name == *name).then(|| name.clone())
        };
        let mut fields = Vec::new();
        if let (Some(name), Some(text)) =
            (field(&dialect.catalogue.progress), progress.or(self.progress.as_deref()))
        {
            fields.push(Assignment { name, value: Given::Text(text.to_owned()) });
        }
        if let (Some(name), Some(text)) =
            (field(&dialect.catalogue.message), message.or(self.message.as_deref()))
        {
            // Not as text: a message `null` is a message.
            fields.push(Assignment::json(&name, text));
        }
        let content = Content::Fields { event: event.clone(), fields };
        let event = Outgoing { dialect: Arc::clone(dialect), job: job.clone(), content };
        // Whether it fits does not depend on the time; found out here, so that only good lines are remembered.
        event.payload(Timestamp::UNIX_EPOCH)?;
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::dialect::Dialects;

    fn lines(dialect: &str, job: Option<&str>) -> Lines {
        Lines::new(Arc::clone(Dialects::builtin().named(dialect).unwrap().1), job.map(str::to_owned))
    }

    fn payload(lines: &mut Lines, line: &str) -> Option<Value> {
        let event = lines.read(line.as_bytes()).unwrap()?;
        Some(serde_json::from_str(&event.payload(Timestamp::UNIX_EPOCH).unwrap()).unwrap())
    }

    fn error(dialect: &str, job: Option<&str>, line: &str) -> String {
        lines(dialect, job).read(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn each_event_carries_the_last_progress_and_message() {
        let mut lines = lines("scraping", Some("7"));
        let table = [
            ("\u{feff}# begin\r\n", Value::Null, "begin"),
            ("45%\n", 45.into(), "begin"),
            (" 45.5 \r\n", 45.5.into(), "begin"),
            ("# null", 45.5.into(), "null"),
            (".5", 0.5.into(), "null"),
            ("100 %", 100.into(), "null"),
        ];
        for (line, progress, message) in table {
            let event = payload(&mut lines, line).unwrap();
            assert_eq!(
                (&event["progress"], event["message"].as_str()),
                (&progress, Some(message)),
                "{line:?}"
            );
            assert_eq!((&event["job_id"], &event["event_type"]), (&7.into(), &"job_progress".into()));
        }
    }

    #[test]
    fn whole_events_are_remembered_and_a_new_run_forgets() {
        let mut lines = lines("scraping", Some("7"));
        payload(&mut lines, r#"{"event_type":"job_progress","progress":30,"message":"half"}"#).unwrap();
        assert_eq!(payload(&mut lines, "31").unwrap()["message"], "half");
        payload(&mut lines, r#"{"event_type":"job_started"}"#).unwrap();
        assert_eq!(payload(&mut lines, "1").unwrap()["message"], Value::Null);
    }

    #[test]
    fn blank_lines_are_nothing() {
        let mut lines = lines("downloads", Some("a"));
        for line in ["", "\n", "\r\n", " \t "] {
            assert_eq!(payload(&mut lines, line), None, "{line:?}");
        }
    }

    #[test]
    fn whole_events_may_name_their_own_jobs() {
        let mut lines = lines("downloads", None);
        let event = lines.read(br#"{"jobId":"b","status":"queued"}"#).unwrap().unwrap();
        assert_eq!((event.job.as_str(), event.channel().as_str()), ("b", "download_updates:b"));
        assert_eq!(
            error("downloads", None, "45"),
            "names no job; only whole events do, so give the target as downloads/JOB"
        );
    }

    #[test]
    fn events_of_channels_go_to_the_channel_of_their_type_or_to_the_one_that_was_named() {
        let text = br#"{"type":"lead:created","lead_id":7}"#;
        let channel = |job| lines("channels", job).read(text).unwrap().unwrap().channel();
        assert_eq!(channel(None), "fliptechpro:leads");
        assert_eq!(channel(Some("conversations")), "fliptechpro:conversations");
        for (line, what) in [("45%", "progress"), ("# text", "message")] {
            let expected = format!("channels events have no {what}; write a whole event instead");
            assert_eq!(error("channels", Some("leads"), line), expected);
        }
    }

    #[test]
    fn unchecked_lines_are_any_objects() {
        let mut loose = lines("channels", None).unchecked();
        let event = loose.read(br#"{"type":"lead:scored","lead_id":"x"}"#).unwrap().unwrap();
        assert_eq!(event.channel(), "fliptechpro:leads");
        assert!(loose.read(br#"{"type":"export:done"}"#).unwrap_err().to_string().ends_with("--channel"));
        let mut loose = lines("scraping", Some("7")).unchecked();
        assert!(loose.read(br#"{"event_type":"paused"}"#).unwrap().is_some());
        assert_eq!(loose.read(b"nope").unwrap_err(), LineError::Shape);
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        let shape = "neither a JSON object, nor a number such as 45 or 45%, nor '# text'";
        for line in ["hello", "45%%", "nan", "inf", "%", "[1]", "\"x\"", "0x10", "1_0", "//", "null"] {
            assert_eq!(error("scraping", Some("7"), line), shape, "{line:?}");
        }
        assert_eq!(error("scraping", Some("7"), "101%"), "a progress is from 0 to 100, got 101");
        assert_eq!(error("scraping", Some("7"), "-1"), "a progress is from 0 to 100, got -1");
        assert_eq!(error("scraping", Some("7"), "#  "), "no text after '#'");
        assert_eq!(
            error("downloads", Some("a"), "# text"),
            "downloads events have no message; write a whole event instead"
        );
        assert!(error("scraping", Some("7"), "{").starts_with("not JSON"));
        let mut lines = lines("scraping", Some("7"));
        assert_eq!(lines.read(b"\xff").unwrap_err(), LineError::NotUtf8);
        assert_eq!(lines.read(b"{\"event_type\":\"\xff\"}").unwrap_err(), LineError::NotUtf8);
        let event = lines.read(b"# caf\xe9.txt\0").unwrap().unwrap().payload(Timestamp::UNIX_EPOCH).unwrap();
        assert!(event.contains("\"caf\u{fffd}.txt\""), "{event}");
        payload(&mut lines, "5").unwrap();
        lines.read(b"500").unwrap_err();
        assert_eq!(payload(&mut lines, "# x").unwrap()["progress"], 5, "a bad line is not remembered");
    }
}
