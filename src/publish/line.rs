//! A line of standard input and the event that it stands for.

use std::sync::Arc;

use jiff::Timestamp;

use super::ending::{self, Ending, EndingError};
use super::probe;
use crate::dialect::{
    Assignment, Dialect, FieldError, FieldType, Given, Opens, Outcome, Shorthand, View, WholeError,
};
use crate::emit::{Content, Outgoing};
use crate::progress::{Progress, Recogniser};

/// The longest line, in bytes: a relay takes no longer payload.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// Reason why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Line longer than [`MAX_LINE`].
    #[error("longer than 1 MiB")]
    TooLong,
    /// Line that is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Line of an unknown form.
    #[error("neither a JSON object, nor a number such as 45 or 45%, nor '# text'")]
    Shape,
    /// Number outside of 0 to 100.
    #[error("a progress is from 0 to 100, got {0}")]
    Percent(String),
    /// Message without a text.
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
    /// Short form without a job.
    #[error("names no job; only whole events do, so give the target as {0}/JOB")]
    NoJob(String),
    /// A whole event that cannot be published.
    #[error(transparent)]
    Whole(#[from] WholeError),
    /// The number or the text does not fit the dialect's field.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Extent of a line that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Whole line, as it was written.
    Whole,
    /// Rest of a line after backspaces or moves of the cursor.
    Rest,
    /// Update of a line that a move of the cursor ended.
    Update,
    /// Beginning of a line; more may follow.
    Beginning,
}

/// Reads lines one after the other and remembers the last progress and message, so that each event carries both.
///
/// A line that has none of the forms of an event may be output of a program. Where the dialect has an event for a percent, and
/// the job is known, such a line is an event if it says progress, and otherwise nothing.
#[derive(Debug)]
pub(crate) struct InputLines {
    dialect: Arc<Dialect>,
    job: Option<String>,
    /// Whether whole events are held against the catalogue.
    checked: bool,
    /// Last progress, as it was written.
    progress: Option<String>,
    message: Option<String>,
    first: bool,
    /// Boxed, so that the reader stays small beside other sources.
    output: Box<ProgramOutput>,
    step_fields: StepFields,
    /// Whether the run of the job is over after the last event.
    is_run_over: bool,
    end: Option<InputEnd>,
    /// Exit code of the last line of the form `exit:CODE`, for [`InputEnd::Told`].
    told: Option<u8>,
    /// Event that opens a run of the job; `None` once the first event came.
    opening: Option<Box<Outgoing>>,
}

/// Names of the fields for step and total in the dialect's event of progress.
#[derive(Debug, Default)]
struct StepFields {
    step: Option<String>,
    total: Option<String>,
}

impl StepFields {
    fn find(dialect: &Dialect, job: Option<&str>) -> Self {
        let (Some(job), Some(Shorthand { event, .. })) = (job, &dialect.catalogue.progress) else {
            return Self::default();
        };
        let Ok(def) = dialect.catalogue.event(event) else { return Self::default() };
        let field = |sees: &dyn Fn(&View) -> bool| {
            probe::field(dialect, (def, job), FieldType::Int, &1.into(), sees).map(str::to_owned)
        };
        Self {
            step: field(&|view| view.step == Some(1) && view.total.is_none()),
            total: field(&|view| view.total == Some(1) && view.step.is_none()),
        }
    }

    /// Step and total of a progress that has both, in their fields.
    fn assignments(&self, progress: &Progress) -> Vec<Assignment> {
        let (Some(step), Some(total)) = (progress.step, progress.total) else { return Vec::new() };
        let step = self.step.as_ref().map(|name| Assignment::json(name, step));
        let total = self.total.as_ref().map(|name| Assignment::json(name, total));
        step.into_iter().chain(total).collect()
    }
}

/// State of lines that are output of a program.
#[derive(Debug)]
struct ProgramOutput {
    recogniser: Recogniser,
    /// Progress of the last line that said any: the next one is told if it says something else.
    shown: Option<Progress>,
    /// Whether a line said progress, or was an event.
    is_heard: bool,
    /// Count of lines that said no progress.
    silent: u64,
}

impl ProgramOutput {
    /// The progress that a line says, if it says any.
    fn read(&mut self, line: &[u8]) -> Option<Progress> {
        let progress = self.recogniser.line(line).filter(|progress| progress.percent.is_some())?;
        self.is_heard = true;
        Some(progress)
    }
}

/// Effect of the end of the lines on the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputEnd {
    /// The job ends this way.
    Given(Ending),
    /// A line of the form `exit:CODE` gives the ending. Without such a line the job has failed.
    Told,
}

impl InputLines {
    /// Reader of events of `job`. Without a job each event names its own. Where the dialect has channels, `job` is the name of
    /// a channel, and without it each event goes to the channel of its type.
    pub(crate) fn new(dialect: Arc<Dialect>, job: Option<String>) -> Self {
        Self {
            step_fields: StepFields::find(&dialect, job.as_deref()),
            dialect,
            job,
            checked: true,
            progress: None,
            message: None,
            first: true,
            output: Box::new(ProgramOutput {
                recogniser: Recogniser::new(None),
                shown: None,
                is_heard: false,
                silent: 0,
            }),
            is_run_over: false,
            end: None,
            told: None,
            opening: None,
        }
    }

    /// Makes the lines a whole run of the job: their end ends the job, unless an event of theirs did.
    pub(crate) fn until(self, end: InputEnd) -> Result<Self, EndingError> {
        let opening = self.job.as_deref().and_then(|job| ending::opening(&self.dialect, job)).map(Box::new);
        let lines = Self { end: Some(end), opening, ..self };
        // Whether the dialect can say so is found out before the first line.
        let check = |ending| lines.ending(ending).map(drop);
        match end {
            InputEnd::Given(ending) => check(ending)?,
            InputEnd::Told => {
                let codes = (0..=u8::MAX).map(Ending::Exit);
                codes.chain([Ending::Outcome(Outcome::Failed)]).try_for_each(check)?;
            }
        }
        Ok(lines)
    }

    /// The event that opens the run which `first`, the first event, is of, if the job has ended before; `None` where `first`
    /// opens it, and for all other events.
    pub(super) fn opening(&mut self, first: &Outgoing) -> Option<Outgoing> {
        let opening = self.opening.take().filter(|_| first.opens() < Opens::AfterEnding);
        opening.map(|opening| *opening)
    }

    /// The event that ends the job after the last line, once; `None` where none is wanted, or a line ended the job.
    pub(super) fn end(&mut self) -> Option<Outgoing> {
        let ending = match self.end.take().filter(|_| !self.is_run_over)? {
            InputEnd::Given(ending) => ending,
            InputEnd::Told => self.told.map_or(Ending::Outcome(Outcome::Failed), Ending::Exit),
        };
        self.ending(ending).expect("`until` has tried this one, or all codes")
    }

    /// Result of a line that is too long, by its beginning: an error for an event, and nothing for output.
    pub(super) fn cut(&mut self, start: &[u8], left_out: u64) -> Result<Option<Outgoing>, LineError> {
        if self.takes_output() && !is_literal(start) {
            self.output.silent += 1;
            return Ok(None);
        }
        let is_short = start.len() as u64 + left_out <= MAX_LINE as u64;
        Err(if is_short { LineError::Shape } else { LineError::TooLong })
    }

    /// The event for lines that were cut off by a signal, where their end would have ended the job.
    pub(super) fn interrupted(&self) -> Option<Outgoing> {
        self.end?;
        self.ending(Ending::Exit(130)).ok().flatten()
    }

    /// Whether the run of the job is over after the newest event of the lines.
    pub(super) const fn is_run_over(&self) -> bool {
        self.is_run_over
    }

    /// Count of lines of output, where none of all lines was an event or said progress.
    pub(super) fn in_vain(&self) -> Option<u64> {
        (!self.output.is_heard && self.output.silent > 0).then_some(self.output.silent)
    }

    /// Event that ends the job; `None` without a job.
    fn ending(&self, ending: Ending) -> Result<Option<Outgoing>, EndingError> {
        self.job.as_deref().map(|job| ending.event(&self.dialect, job)).transpose()
    }

    /// Allows whole events of any kind with any fields.
    #[must_use]
    pub(crate) fn unchecked(self) -> Self {
        Self { checked: false, ..self }
    }

    /// The event that a line stands for; `None` for a blank one, and for output without progress.
    pub(super) fn read(&mut self, line: &[u8], extent: Extent) -> Result<Option<Outgoing>, LineError> {
        let event = match extent {
            Extent::Whole | Extent::Rest => self.event(line, extent)?,
            Extent::Update | Extent::Beginning => self.update(line, extent),
        };
        self.output.is_heard |= event.is_some();
        Ok(event)
    }

    /// The event of an update of a line that goes on, or may.
    fn update(&mut self, line: &[u8], extent: Extent) -> Option<Outgoing> {
        let is_output = self.takes_output() && !is_literal(line);
        // The beginning of a number is another number.
        let is_event =
            || extent == Extent::Beginning && number(String::from_utf8_lossy(line).trim()).is_some();
        if !is_output || is_event() {
            return None;
        }
        let progress = self.output.read(line)?;
        self.news(progress)
    }

    fn event(&mut self, line: &[u8], extent: Extent) -> Result<Option<Outgoing>, LineError> {
        let text = String::from_utf8_lossy(line);
        let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
        // A byte order mark begins the output of some programs.
        let text = if self.first { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        self.first = false;
        if text.is_empty() {
            return Ok(None);
        }
        let is_bar = self.takes_output() && is_bar(text);
        if let Some(message) = text.strip_prefix('#').filter(|_| !is_bar) {
            // A message may name a file in any encoding.
            return self.message(message.trim()).map(Some);
        }
        let is_event =
            (is_literal(text.as_bytes()) && !is_bar) || (extent == Extent::Whole && number(text).is_some());
        if self.takes_output() && !is_event {
            return Ok(self.output(line, text));
        }
        // Replacement characters would change an event.
        if !is_text {
            return Err(LineError::NotUtf8);
        }
        if text.starts_with('{') {
            return self.whole(text).map(Some);
        }
        self.progress(text).map(Some)
    }

    /// Whether progress in output can be told.
    fn takes_output(&self) -> bool {
        self.job.is_some() && self.dialect.catalogue.progress.is_some()
    }

    /// The event of a line of output, if it says progress, and another than the last one.
    fn output(&mut self, line: &[u8], text: &str) -> Option<Outgoing> {
        if self.end == Some(InputEnd::Told)
            && let Some(code) = exit_code(text)
        {
            self.told = Some(code);
            return None;
        }
        let progress = self.output.read(line);
        self.output.silent += u64::from(progress.is_none());
        self.news(progress?)
    }

    /// The event of progress in output, if it is another than the last one.
    fn news(&mut self, progress: Progress) -> Option<Outgoing> {
        if self.output.shown.as_ref() == Some(&progress) {
            return None;
        }
        let event = self.shown_event(&progress);
        self.output.shown = Some(progress);
        event
    }

    /// The event of progress in output. Where the dialect takes whole percents only, the percent is rounded down. Where the
    /// dialect does not take the step or the total, both are left out.
    fn shown_event(&mut self, progress: &Progress) -> Option<Outgoing> {
        let percent = progress.percent?;
        let shorthand = self.dialect.catalogue.progress.clone();
        let message = progress.message.as_deref();
        let steps = self.step_fields.assignments(progress);
        let mut attempts =
            [&steps[..], &[]].into_iter().flat_map(|steps| [(percent, steps), (percent.floor(), steps)]);
        let (text, event) = attempts.find_map(|(percent, steps)| {
            let text = percent.to_string();
            let event = self.short(shorthand.as_ref(), "progress", Some(&text), message, steps).ok()?;
            Some((text, event))
        })?;
        self.progress = Some(text);
        if let Some(message) = message {
            self.message = Some(message.to_owned());
        }
        Some(event)
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
        if let Some(kind) = decoded.kind {
            if kind.opens == Opens::Always {
                (self.progress, self.message) = (None, None);
            }
            self.is_run_over = kind.ends.is_some();
        }
        if let Some(percent) = decoded.percent {
            self.progress = Some(percent.to_string());
        }
        if let Some(message) = self.dialect.view(payload).and_then(|view| view.message) {
            self.message = Some(message);
        }
    }

    fn progress(&mut self, text: &str) -> Result<Outgoing, LineError> {
        let (number, percent) = number(text).ok_or(LineError::Shape)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(LineError::Percent(number.to_owned()));
        }
        let shorthand = self.dialect.catalogue.progress.clone();
        let event = self.short(shorthand.as_ref(), "progress", Some(number), None, &[])?;
        self.progress = Some(number.to_owned());
        Ok(event)
    }

    fn message(&mut self, text: &str) -> Result<Outgoing, LineError> {
        let shorthand = self.dialect.catalogue.message.clone();
        let event = self.short(shorthand.as_ref(), "message", None, Some(text), &[])?;
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
        more: &[Assignment],
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
            // JSON rather than text, since the message may be `null`.
            fields.push(Assignment::json(&name, text));
        }
        fields.extend_from_slice(more);
        let content = Content::Fields { event: event.clone(), fields };
        let event = Outgoing { dialect: Arc::clone(dialect), job: job.clone(), content };
        // Whether it fits does not depend on the time; found out here, so that only good lines are remembered.
        event.payload(Timestamp::UNIX_EPOCH)?;
        Ok(event)
    }
}

/// Whether a line that begins so is written as an event, however wrong: a JSON object with a name in it, or a message.
pub(super) fn is_literal(start: &[u8]) -> bool {
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    match start.trim_ascii_start() {
        [b'#', ..] => true,
        [b'{', object @ ..] => matches!(object.trim_ascii_start(), [b'"' | b'}', ..]),
        _ => false,
    }
}

/// Whether a line that begins with `#` is a bar of curl: a bar of them, blanks and a percent. Beside a bar of one there is room
/// for many.
fn is_bar(text: &str) -> bool {
    let rest = text.trim_start_matches('#');
    let (hashes, blanks) = (text.len() - rest.len(), rest.len() - rest.trim_start_matches(' ').len());
    hashes > 0 && hashes + blanks > 10 && rest.ends_with('%') && number(rest.trim_start()).is_some()
}

/// A number alone, as it was written and as it is, with a `%` behind it or without.
fn number(text: &str) -> Option<(&str, f64)> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let is_plain = number.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    number.parse().ok().filter(|_| is_plain).map(|percent| (number, percent))
}

/// The code in a line of the form `exit:CODE`.
fn exit_code(text: &str) -> Option<u8> {
    text.strip_prefix("exit:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
