//! What an event or a polling body says to a person who watches the job: the reading side of a dialect.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::error::{Fault, pointer};
use super::facts::{Percent, Plan, Slots, TextAt, entity, first_count, first_text, result_text};
use super::pointer::{Slot, Tree};
use super::raw::{count, text, word, words};
use super::spec::{OneOrMany, PointersSpec, Spec, StatusSpec, Texts};
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
    /// Log line in the event, if any.
    pub log: Option<LogView>,
    /// How much there is to do for its resource, where only the first event says it.
    pub goal: Option<u64>,
    /// How much of that is done.
    pub done: Option<u64>,
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

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Text of the line.
    pub line: String,
    /// Stream to which the line was written, if known.
    pub stream: Option<String>,
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

/// Compiled pointers to what a job's events and its polling body both say.
#[derive(Debug, Clone)]
struct FactsAt {
    percent: Percent,
    step: Vec<Slot>,
    total: Vec<Slot>,
    count: Vec<Slot>,
    message: Vec<TextAt>,
    error: Vec<TextAt>,
    result: Vec<TextAt>,
}

/// Their keys in the file.
struct FactsSpec<'a> {
    percent: [Option<&'a OneOrMany>; 3],
    counts: [Option<&'a OneOrMany>; 3],
    texts: [Option<&'a Texts>; 3],
}

impl FactsAt {
    fn compile(plan: &mut Plan, spec: &FactsSpec<'_>, table: &[&str]) -> Result<Self, Fault> {
        let at = |key| [table, &[key]].concat();
        let [step, total, count] = spec.counts;
        let [message, error, result] = spec.texts;
        Ok(Self {
            percent: Percent::compile(plan, spec.percent, table)?,
            step: plan.want_all(step, &at("step"))?,
            total: plan.want_all(total, &at("total"))?,
            count: plan.want_all(count, &at("count"))?,
            message: plan.want_texts(message, &at("message"))?,
            error: plan.want_texts(error, &at("error"))?,
            result: plan.want_texts(result, &at("result"))?,
        })
    }

    fn percent(&self, slots: &Slots<'_>) -> Option<f64> {
        self.percent.read(slots).and_then(|n| n.as_f64()).map(|p| p.clamp(0.0, 100.0))
    }
}

impl PointersSpec {
    fn facts(&self) -> FactsSpec<'_> {
        let total = self.total.as_ref();
        FactsSpec {
            percent: [self.current.as_ref(), total, self.percent.as_ref()],
            // The total is that of the steps, unless it is that of a share.
            counts: [self.step.as_ref(), total.filter(|_| self.current.is_none()), self.count.as_ref()],
            texts: [self.message.as_ref(), self.error.as_ref(), self.result.as_ref()],
        }
    }
}

/// Compiled pointers of the socket messages.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    plan: Plan,
    envelope: Tree,
    kind: Slot,
    variant: Option<Slot>,
    facts: FactsAt,
    last_message: Vec<TextAt>,
    entity: Vec<Slot>,
    entity_count: Option<Slot>,
    entity_error: Option<Slot>,
    line: Option<Slot>,
    stream: Option<Slot>,
    goal: Option<Slot>,
    done: Option<Slot>,
}

impl Viewer {
    pub(super) fn compile(spec: &Spec) -> Result<Self, Fault> {
        let p = &spec.pointers;
        let mut plan = Plan::default();
        let kind = plan.want(&p.kind, &["pointers", "kind"])?;
        let facts = FactsAt::compile(&mut plan, &p.facts(), &["pointers"])?;
        let last_message = match &p.last_message {
            Some(_) => plan.want_texts(p.last_message.as_ref(), &["pointers", "last_message"])?,
            // The texts behind the first are what a job is doing; one that has ended does nothing any more.
            None => facts.message.iter().take(1).cloned().collect(),
        };
        let entity = p.entity.iter().map(|text| plan.want(text, &["pointers", "entity"]));
        let entity = entity.collect::<Result<_, _>>()?;
        let mut one = |text: &Option<String>, key| {
            text.as_ref().map(|text| plan.want(text, &["pointers", key])).transpose()
        };
        let (entity_count, entity_error) =
            (one(&p.entity_count, "entity_count")?, one(&p.entity_error, "entity_error")?);
        let (line, stream) = (one(&p.line, "line")?, one(&p.stream, "stream")?);
        let (goal, done) = (one(&p.goal, "goal")?, one(&p.done, "done")?);
        let variant = one(&p.variant, "variant")?;
        let mut envelope = Tree::default();
        if let Some(wrap) = &spec.wrap {
            envelope.want(&pointer(&format!("/{}", wrap.field), &["wrap", "field"])?, 0);
        }
        Ok(Self {
            plan,
            envelope,
            kind,
            variant,
            facts,
            last_message,
            entity,
            entity_count,
            entity_error,
            line,
            stream,
            goal,
            done,
        })
    }
}

/// Compiled pointers of the polling body.
#[derive(Debug, Clone)]
pub(super) struct StatusReader {
    plan: Plan,
    state: Slot,
    facts: FactsAt,
    states: BTreeMap<String, JobState>,
}

impl StatusReader {
    /// Without `[status.read]` the body is read like an event: its kind says the state.
    pub(super) fn compile(spec: &Spec, status: &StatusSpec) -> Result<Self, Fault> {
        let p = &spec.pointers;
        let (state, facts, named) = match &status.read {
            Some(r) => (
                &r.state,
                FactsSpec {
                    percent: [None, None, r.percent.as_ref()],
                    counts: [r.step.as_ref(), r.total.as_ref(), r.count.as_ref()],
                    texts: [r.message.as_ref(), r.error.as_ref(), r.result.as_ref()],
                },
                r.states.clone(),
            ),
            None => (
                &p.kind,
                p.facts(),
                spec.kinds
                    .iter()
                    .map(|(name, kind)| (name.clone(), state_of(kind.ends, kind.queued)))
                    .collect(),
            ),
        };
        let table = ["status", "read"];
        let mut plan = Plan::default();
        Ok(Self {
            state: plan.want(state, &["status", "read", "state"])?,
            facts: FactsAt::compile(&mut plan, &facts, &table)?,
            plan,
            states: named,
        })
    }
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
    pub fn view(&self, whole: &str) -> Option<View> {
        let mut envelope: [Option<&RawValue>; 1] = [None];
        let viewer = &self.viewer;
        let wrapped = self.wrap.is_some() && matches!(viewer.envelope.scan(whole, &mut envelope), Ok(true));
        let inner = if wrapped { envelope[0].map_or(whole, RawValue::get) } else { whole };
        let slots = &viewer.plan.read(inner)?[..];
        let variant = viewer.variant.and_then(|slot| word(slots[slot]?));
        let kind = self.kind_seen(&word(slots[viewer.kind]?)?, variant.as_deref().unwrap_or_default());
        let number = |slot: Slot| count(slots[slot]?);
        let parts: Vec<_> = viewer.entity.iter().map(|slot| slots[*slot]).collect();
        let part = entity(&parts, text).filter(|_| kind.entity.is_some()).map(|name| EntityView {
            name: name.into_owned(),
            phase: kind.entity,
            count: viewer.entity_count.and_then(number),
        });
        let facts = &viewer.facts;
        let error = || first_text(&facts.error, slots);
        let of_part = |slot: Slot| slots[slot].and_then(words);
        let messages = if kind.ends.is_some() { &viewer.last_message } else { &facts.message };
        let message = first_text(messages, slots);
        Some(View {
            percent: facts.percent(slots),
            step: first_count(&facts.step, slots),
            total: first_count(&facts.total, slots),
            count: first_count(&facts.count, slots),
            // A remark without a text of its own can be about what went wrong, as a retry is.
            message: if kind.notice { message.or_else(error) } else { message },
            error: match (kind.ends, kind.entity) {
                (_, Some(Phase::Failed)) => {
                    viewer.entity_error.and_then(of_part).map(Cow::into_owned).or_else(error)
                }
                (Some(super::Outcome::Failed | super::Outcome::Cancelled), _) => error(),
                _ => None,
            },
            result: result_text(&facts.result, slots)
                .filter(|_| kind.ends == Some(super::Outcome::Succeeded)),
            log: kind.log.then(|| LogView {
                line: viewer.line.and_then(of_part).map(Cow::into_owned).unwrap_or_default(),
                stream: viewer.stream.and_then(of_part).map(Cow::into_owned),
            }),
            goal: viewer.goal.and_then(number),
            done: viewer.done.and_then(number),
            resource: self.channels.as_ref().and_then(|channels| channels.resource_in(whole)),
            entity: part,
            kind,
        })
    }

    /// The kind of that name as the payload spells it; a remark where the dialect knows none.
    fn kind_seen(&self, name: &str, variant: &str) -> Kind {
        let unknown = || Kind {
            name: name.into(),
            conflatable: false,
            opens: super::Opens::Never,
            ends: None,
            entity: None,
            notice: true,
            log: false,
            queued: false,
            hidden: false,
            unless_ended: false,
            says: None,
            again: None,
            variants: Vec::new(),
        };
        let seen = |kind: &Kind| Kind { name: name.into(), ..kind.of_variant(variant).clone() };
        self.kind(name).map_or_else(unknown, seen)
    }

    /// Reads a polling body; `None` where it is none of this dialect's.
    pub fn view_status(&self, body: &str) -> Option<StatusView> {
        let read = &self.status.as_ref()?.read;
        let slots = &read.plan.read(body)?[..];
        let word = word(slots[read.state]?)?;
        let state = *read.states.get(word.as_ref()).or_else(|| read.states.get("*"))?;
        let facts = &read.facts;
        let went_wrong = matches!(state, JobState::Failed | JobState::Cancelled);
        Some(StatusView {
            state,
            percent: facts.percent(slots),
            step: first_count(&facts.step, slots),
            total: first_count(&facts.total, slots),
            count: first_count(&facts.count, slots),
            message: first_text(&facts.message, slots),
            error: first_text(&facts.error, slots).filter(|_| went_wrong),
            result: result_text(&facts.result, slots).filter(|_| state == JobState::Succeeded),
        })
    }
}
