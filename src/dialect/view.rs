//! What an event or a polling body says to a person who watches the job: the reading side of a dialect.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::compile::{Fault, pointer};
use super::decode::{MAX_ENTITY, entity, number};
use super::pointer::Tree;
use super::raw::{text, words};
use super::spec::{OneOrMany, Spec, StatusSpec};
use super::status::{count, one};
use super::{Dialect, JobState, Kind, Phase};

/// What one socket message says.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The kind, with what it does to the job.
    pub kind: Kind,
    /// Percent done, 0 to 100.
    pub percent: Option<f64>,
    /// Step that is going on, from 1.
    pub step: Option<u64>,
    /// How many steps there are.
    pub total: Option<u64>,
    /// Results so far.
    pub count: Option<u64>,
    /// Text for people.
    pub message: Option<String>,
    /// What went wrong, of a failure.
    pub error: Option<String>,
    /// What came of it, as in `Carbonara (42)`.
    pub result: Option<String>,
    /// The part of the job it speaks of.
    pub entity: Option<EntityView>,
    /// The resource it is about, as its room is called (`campaign:123`), of a dialect with channels.
    pub resource: Option<String>,
}

/// What a message says of one part of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityView {
    /// The part's name.
    pub name: String,
    /// How it is doing, if the kind says.
    pub phase: Option<Phase>,
    /// Its own results.
    pub count: Option<u64>,
}

/// What a polling body says.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusView {
    /// How the job is doing.
    pub state: JobState,
    /// Percent done, 0 to 100.
    pub percent: Option<f64>,
    /// Step that is going on, from 1.
    pub step: Option<u64>,
    /// How many steps there are.
    pub total: Option<u64>,
    /// Results so far.
    pub count: Option<u64>,
    /// Text for people.
    pub message: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What came of it, as in `Carbonara (42)`.
    pub result: Option<String>,
}

const KIND: usize = 0;
const PERCENT: usize = 1;
const STEP: usize = 2;
const TOTAL: usize = 3;
const COUNT: usize = 4;
/// At most this many pointers to a text, of which the first that leads to one counts.
const MAX_TEXTS: usize = 3;
const MESSAGE: usize = 5;
const ERROR: usize = MESSAGE + MAX_TEXTS;
const ENTITY: usize = ERROR + MAX_TEXTS;
const ENTITY_COUNT: usize = ENTITY + MAX_ENTITY;
const ENTITY_ERROR: usize = ENTITY_COUNT + 1;
const RESULT: usize = ENTITY_ERROR + 1;
const SLOTS: usize = RESULT + MAX_TEXTS;

type Slots<'a> = [Option<&'a RawValue>; SLOTS];

/// Compiled pointers of the socket messages.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    tree: Tree,
    envelope: Tree,
}

impl Viewer {
    pub(super) fn compile(spec: &Spec) -> Result<Self, Fault> {
        let p = &spec.pointers;
        let mut tree = Tree::default();
        let fixed = [
            (KIND, Some(&p.kind), "kind"),
            (PERCENT, p.percent.as_ref(), "percent"),
            (STEP, p.step.as_ref(), "step"),
            (TOTAL, p.total.as_ref(), "total"),
            (COUNT, p.count.as_ref(), "count"),
            (ENTITY_COUNT, p.entity_count.as_ref(), "entity_count"),
            (ENTITY_ERROR, p.entity_error.as_ref(), "entity_error"),
        ];
        for (slot, text, key) in fixed {
            if let Some(text) = text {
                tree.want(&pointer(text, &["pointers", key])?, slot);
            }
        }
        want_texts(&mut tree, p.message.as_ref(), MESSAGE, &["pointers", "message"])?;
        want_texts(&mut tree, p.error.as_ref(), ERROR, &["pointers", "error"])?;
        want_texts(&mut tree, p.result.as_ref(), RESULT, &["pointers", "result"])?;
        for (nth, text) in p.entity.iter().enumerate() {
            tree.want(&pointer(text, &["pointers", "entity"])?, ENTITY + nth);
        }
        let mut envelope = Tree::default();
        if let Some(wrap) = &spec.wrap {
            envelope.want(&pointer(&format!("/{}", wrap.field), &["wrap", "field"])?, 0);
        }
        Ok(Self { tree, envelope })
    }
}

/// Compiled pointers of the polling body.
#[derive(Debug, Clone)]
pub(super) struct StatusReader {
    tree: Tree,
    states: BTreeMap<String, JobState>,
}

impl StatusReader {
    /// Without `[status.read]` the body is read like an event: its kind says the state.
    pub(super) fn compile(spec: &Spec, status: &StatusSpec) -> Result<Self, Fault> {
        let p = &spec.pointers;
        let (pointers, texts, named) = match &status.read {
            Some(r) => (
                [Some(&r.state), r.percent.as_ref(), r.step.as_ref(), r.total.as_ref(), r.count.as_ref()],
                [r.message.as_ref(), r.error.as_ref(), r.result.as_ref()],
                r.states.clone(),
            ),
            None => (
                [Some(&p.kind), p.percent.as_ref(), p.step.as_ref(), p.total.as_ref(), p.count.as_ref()],
                [p.message.as_ref(), p.error.as_ref(), p.result.as_ref()],
                spec.kinds
                    .iter()
                    .map(|(name, kind)| (name.clone(), state_of(kind.ends, kind.queued)))
                    .collect(),
            ),
        };
        let keys = ["state", "percent", "step", "total", "count"];
        let mut tree = Tree::default();
        for ((slot, text), key) in pointers.into_iter().enumerate().zip(keys) {
            if let Some(text) = text {
                tree.want(&pointer(text, &["status", "read", key])?, slot);
            }
        }
        let [message, error, result] = texts;
        want_texts(&mut tree, message, MESSAGE, &["status", "read", "message"])?;
        want_texts(&mut tree, error, ERROR, &["status", "read", "error"])?;
        want_texts(&mut tree, result, RESULT, &["status", "read", "result"])?;
        Ok(Self { tree, states: named })
    }
}

/// Wants the texts behind one pointer, or behind several, in the slots from `first`.
fn want_texts(tree: &mut Tree, texts: Option<&OneOrMany>, first: usize, path: &[&str]) -> Result<(), Fault> {
    let texts = texts.map(OneOrMany::as_slice).unwrap_or_default();
    if texts.len() > MAX_TEXTS {
        return Err(Fault::at(path, format!("at most {MAX_TEXTS} pointers")));
    }
    for (nth, text) in texts.iter().enumerate() {
        tree.want(&pointer(text, path)?, first + nth);
    }
    Ok(())
}

/// What the first of the slots from `first` that says something says.
fn first_words(slots: &Slots<'_>, first: usize) -> Option<String> {
    slots[first..first + MAX_TEXTS]
        .iter()
        .find_map(|slot| slot.and_then(words))
        .map(std::borrow::Cow::into_owned)
}

/// The first text or whole number in the slots of the result, and the others in brackets behind it.
fn result(slots: &Slots<'_>) -> Option<String> {
    let named = |raw: &RawValue| {
        text(raw).map_or_else(|| count(raw).map(|n| n.to_string()), |t| Some(t.into_owned()))
    };
    let found = slots[RESULT..RESULT + MAX_TEXTS].iter().filter_map(|slot| slot.and_then(named));
    found.filter(|text| !text.is_empty()).reduce(|first, next| format!("{first} ({next})"))
}

fn state_of(ends: Option<super::Outcome>, queued: bool) -> JobState {
    match ends {
        Some(super::Outcome::Succeeded) => JobState::Succeeded,
        Some(super::Outcome::Failed) => JobState::Failed,
        Some(super::Outcome::Cancelled) => JobState::Cancelled,
        None if queued => JobState::Queued,
        None => JobState::Running,
    }
}

impl Dialect {
    /// Reads a socket message; `None` where it is no event of this dialect (a pong, or another system's text).
    pub fn view(&self, message: &str) -> Option<View> {
        let mut envelope: [Option<&RawValue>; 1] = [None];
        let wrapped = self.wrap.is_some() && one(&self.viewer.envelope, message, &mut envelope);
        let inner = if wrapped { envelope[0].map_or(message, RawValue::get) } else { message };
        let mut slots: Slots<'_> = [None; SLOTS];
        if !one(&self.viewer.tree, inner, &mut slots) {
            return None;
        }
        let name = text(slots[KIND]?)?;
        let named = |kind: &Kind| Kind { name: name.as_ref().into(), ..kind.clone() };
        let kind = self.kind(&name).map_or_else(
            || Kind {
                name: name.as_ref().into(),
                conflatable: false,
                opens: super::Opens::Never,
                ends: None,
                entity: None,
                notice: true,
                queued: false,
                hidden: false,
            },
            named,
        );
        let part = entity(&slots[ENTITY..ENTITY_COUNT], text).filter(|_| kind.entity.is_some()).map(|name| {
            EntityView {
                name: name.into_owned(),
                phase: kind.entity,
                count: slots[ENTITY_COUNT].and_then(count),
            }
        });
        let owned = |slot: usize| slots[slot].and_then(words).map(std::borrow::Cow::into_owned);
        let percent = slots[PERCENT].and_then(number).and_then(|n| n.as_f64()).map(|p| p.clamp(0.0, 100.0));
        Some(View {
            percent,
            step: slots[STEP].and_then(count),
            total: slots[TOTAL].and_then(count),
            count: slots[COUNT].and_then(count),
            // The texts behind the first are what a job is doing; one that has ended does nothing any more.
            message: if kind.ends.is_some() { owned(MESSAGE) } else { first_words(&slots, MESSAGE) },
            error: match (kind.ends, kind.entity) {
                (_, Some(Phase::Failed)) => owned(ENTITY_ERROR).or_else(|| first_words(&slots, ERROR)),
                (Some(super::Outcome::Failed), _) => first_words(&slots, ERROR),
                _ => None,
            },
            result: result(&slots),
            resource: self.channels.as_ref().and_then(|channels| channels.resource_in(message)),
            entity: part,
            kind,
        })
    }

    /// Reads a polling body; `None` where it is none of this dialect's.
    pub fn view_status(&self, body: &str) -> Option<StatusView> {
        let read = &self.status.as_ref()?.read;
        let mut slots: Slots<'_> = [None; SLOTS];
        if !one(&read.tree, body, &mut slots) {
            return None;
        }
        let state = *read.states.get(text(slots[KIND]?)?.as_ref())?;
        Some(StatusView {
            state,
            percent: slots[PERCENT].and_then(number).and_then(|n| n.as_f64()).map(|p| p.clamp(0.0, 100.0)),
            step: slots[STEP].and_then(count),
            total: slots[TOTAL].and_then(count),
            count: slots[COUNT].and_then(count),
            message: first_words(&slots, MESSAGE),
            error: first_words(&slots, ERROR).filter(|_| state == JobState::Failed),
            result: result(&slots),
        })
    }
}
