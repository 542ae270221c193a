//! From a publication to the few facts that routing it needs. The payload itself is never changed.

use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;

use super::error::{Fault, pointer};
use super::facts::{Percent, Plan, amount, entity};
use super::job::ImpossibleJob;
use super::pointer::{Pointer, Tree};
use super::raw::{distinct, exact, number, word};
use super::slip::Slips;
use super::spec::{OneOrMany, Spec};
use super::{Dialect, Kind, Source};

/// Why a publication is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Undecodable {
    /// The payload is over the limit.
    #[error("payload too big")]
    TooBig,
    /// The payload is no UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The payload is no JSON document.
    #[error("not JSON")]
    NotJson,
    /// The payload is JSON, but no object.
    #[error("not a JSON object")]
    NotObject,
    /// An entry of a stream has no field of the payload.
    #[error("no payload: an entry of a stream has it in `data`")]
    NoPayload,
    /// Neither channel nor payload names a job.
    #[error("no job id")]
    NoJob,
    /// The job's id has the wrong JSON type.
    #[error("job id of the wrong type")]
    JobType,
    /// No job can have that id.
    #[error("impossible job id")]
    ImpossibleJob,
}

impl Undecodable {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::TooBig,
        Self::NotUtf8,
        Self::NotJson,
        Self::NotObject,
        Self::NoPayload,
        Self::NoJob,
        Self::JobType,
        Self::ImpossibleJob,
    ];

    /// The reason's name in statistics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::TooBig => "too_big",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotObject => "not_an_object",
            Self::NoPayload => "no_payload",
            Self::NoJob => "no_job",
            Self::JobType => "job_type",
            Self::ImpossibleJob => "impossible_job",
        }
    }
}

impl From<ImpossibleJob> for Undecodable {
    fn from(error: ImpossibleJob) -> Self {
        match error {
            ImpossibleJob::NotInteger => Self::JobType,
            _ => Self::ImpossibleJob,
        }
    }
}

/// What a publication says, as far as a relay wants to know; borrows from the payload.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The job's id, valid for the dialect.
    pub job: Cow<'a, str>,
    /// The kind, where the dialect knows it.
    pub kind: Option<&'a Kind>,
    /// The kind as the payload spells it; empty where it names none.
    pub kind_name: Cow<'a, str>,
    /// The part of the job it speaks of.
    pub entity: Option<Cow<'a, str>>,
    /// The percent, if it is a number or a text that is one.
    pub percent: Option<Number>,
    /// Owner of the job, where the event names one.
    pub owner: Option<Cow<'a, str>>,
    /// Mistakes of the worker that do not prevent relaying.
    pub slips: Slips,
    /// The object that the pointers lead into: the payload, or what its envelope holds.
    pub inner: &'a str,
    /// The payload as published.
    payload: &'a str,
    wrap: Option<&'a super::Wrap>,
}

impl Decoded<'_> {
    /// The text that a client gets, in three parts: the payload byte for byte, in the dialect's envelope if it came
    /// without. The second part is the payload.
    pub fn text_parts(&self) -> [&[u8]; 3] {
        match self.wrap {
            None => [&[], self.payload.as_bytes(), &[]],
            Some(wrap) => [wrap.before.as_bytes(), self.payload.as_bytes(), b"}"],
        }
    }
}

const JOB: usize = 0;
const KIND: usize = 1;
const PERCENT: usize = 2;
const OWNER: usize = 3;
const ENVELOPE_TYPE: usize = 4;
const ENVELOPE_FIELD: usize = 5;
const VARIANT: usize = 6;
/// At most this many pointers make up an entity.
pub(super) const MAX_ENTITY: usize = 2;
const ENTITY: usize = 7;
/// One set of slots; a wrapping dialect has a second one, for pointers seen through the envelope.
const SLOTS: usize = ENTITY + MAX_ENTITY;

/// The compiled pointers.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    tree: Tree,
    /// How the percent is found where it is more than one value behind one pointer; read on its own.
    percent: Option<Box<(Plan, Percent)>>,
}

impl Decoder {
    pub(super) fn compile(spec: &Spec) -> Result<Self, Fault> {
        let p = &spec.pointers;
        if p.entity.len() > MAX_ENTITY {
            return Err(Fault::at(&["pointers", "entity"], format!("at most {MAX_ENTITY} pointers")));
        }
        let mut wanted = vec![(KIND, pointer(&p.kind, &["pointers", "kind"])?)];
        let optional = [
            (JOB, &spec.job.pointer, ["job", "pointer"]),
            (OWNER, &p.owner, ["pointers", "owner"]),
            (VARIANT, &p.variant, ["pointers", "variant"]),
        ];
        for (slot, text, key) in optional {
            if let Some(text) = text {
                wanted.push((slot, pointer(text, &key)?));
            }
        }
        let percent = match (&p.current, p.percent.as_ref().map(OneOrMany::as_slice)) {
            (None, None) => None,
            (None, Some([text])) => {
                wanted.push((PERCENT, pointer(text, &["pointers", "percent"])?));
                None
            }
            _ => {
                let mut plan = Plan::default();
                let sources = [p.current.as_ref(), p.total.as_ref(), p.percent.as_ref()];
                let percent = Percent::compile(&mut plan, sources, &["pointers"])?;
                Some(Box::new((plan, percent)))
            }
        };
        for (nth, text) in p.entity.iter().enumerate() {
            wanted.push((ENTITY + nth, pointer(text, &["pointers", "entity", &nth.to_string()])?));
        }
        let mut tree = Tree::default();
        for (slot, pointer) in &wanted {
            tree.want(pointer, *slot);
        }
        if let Some(wrap) = &spec.wrap {
            tree.want(&Pointer::parse("/type").expect("it starts with a slash"), ENVELOPE_TYPE);
            let field = pointer(&format!("/{}", wrap.field), &["wrap", "field"])?;
            tree.want(&field, ENVELOPE_FIELD);
            for (slot, pointer) in &wanted {
                tree.want(&pointer.under(&wrap.field), SLOTS + slot);
            }
        }
        Ok(Self { tree, percent })
    }
}

impl Dialect {
    /// Decodes a publication that came on `channel`. Reads the payload once.
    pub fn decode<'a>(&'a self, channel: &'a [u8], payload: &'a [u8]) -> Result<Decoded<'a>, Undecodable> {
        let payload = std::str::from_utf8(payload).map_err(|_| Undecodable::NotUtf8)?;
        let mut slots: [Option<&RawValue>; 2 * SLOTS] = [None; 2 * SLOTS];
        match self.decoder.tree.scan(payload, &mut slots) {
            Err(_) => return Err(Undecodable::NotJson),
            Ok(false) => return Err(Undecodable::NotObject),
            Ok(true) => {}
        }
        let envelope =
            slots[ENVELOPE_FIELD].filter(|_| self.wrap.is_some() && slots[ENVELOPE_TYPE].is_some());
        let (inner, found) = match envelope {
            Some(raw) if !raw.get().starts_with('{') => return Err(Undecodable::NotObject),
            Some(raw) => (raw.get(), &slots[SLOTS..]),
            None => (payload, &slots[..SLOTS]),
        };
        let job = self.job_of(channel, found[JOB])?;
        let kind_name = found[KIND].and_then(word).unwrap_or_default();
        let kind = self.kind(&kind_name).map(|kind| match found[VARIANT].and_then(word) {
            Some(variant) => kind.of_variant(&variant),
            None => kind,
        });
        let mut slips = Slips::default();
        if kind.is_none() {
            slips.of_kind(found[KIND]);
        }
        let percent = match &self.decoder.percent {
            None => {
                // A text is read, but where one pointer says all of it a number was meant.
                slips.of_percent(found[PERCENT], found[PERCENT].and_then(number).and_then(|n| n.as_f64()));
                found[PERCENT].and_then(amount)
            }
            Some(of) => of.0.read(inner).and_then(|slots| of.1.read(&slots)),
        };
        if matches!(self.source, Source::PerJob(_)) {
            slips.of_job(found[JOB], &job);
        }
        Ok(Decoded {
            job,
            kind,
            kind_name,
            entity: entity(&found[ENTITY..SLOTS], distinct),
            percent,
            slips,
            owner: found[OWNER].and_then(identity),
            inner,
            payload,
            wrap: self.wrap.as_ref().filter(|_| envelope.is_none()),
        })
    }

    /// The id in the channel's name beats the one in the payload.
    fn job_of<'a>(&self, channel: &'a [u8], raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Undecodable> {
        let job = match &self.source {
            Source::Queues { .. } => {
                let channel = std::str::from_utf8(channel).map_err(|_| Undecodable::NotUtf8)?;
                Cow::Borrowed(self.source.job_of(channel).ok_or(Undecodable::NoJob)?)
            }
            Source::PerJob(prefix) => {
                let job = channel.strip_prefix(prefix.as_bytes()).ok_or(Undecodable::NoJob)?;
                Cow::Borrowed(std::str::from_utf8(job).map_err(|_| Undecodable::NotUtf8)?)
            }
            // Nobody watches a job of such a dialect; what comes on a channel is filed under its name.
            Source::Channels(_) => {
                let prefix = self.channels.as_ref().map_or("", |channels| channels.prefix());
                let name = channel.strip_prefix(prefix.as_bytes()).ok_or(Undecodable::NoJob)?;
                Cow::Borrowed(std::str::from_utf8(name).map_err(|_| Undecodable::NotUtf8)?)
            }
            Source::Channel(_) => {
                self.typed_job(raw.filter(|raw| raw.get() != "null").ok_or(Undecodable::NoJob)?)?
            }
        };
        self.check_job(&job)?;
        Ok(job)
    }

    fn typed_job<'a>(&self, raw: &'a RawValue) -> Result<Cow<'a, str>, Undecodable> {
        match self.job_id {
            // An id with something in it that is no character could be mistaken for another.
            super::JobIdType::String => match exact(raw) {
                None if raw.get().starts_with('"') => Err(Undecodable::ImpossibleJob),
                id => id.ok_or(Undecodable::JobType),
            },
            super::JobIdType::Integer if raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(Cow::Borrowed(raw.get()))
            }
            super::JobIdType::Integer => Err(Undecodable::JobType),
        }
    }
}

/// Identity of a person, as tokens and events give it: a text, or an integer as its decimal text. `None` for anything
/// else, such as `7.0` or `true`.
pub fn identity(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let digits = json.strip_prefix('-').unwrap_or(json);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Cow::Borrowed(json));
    }
    exact(raw)
}
