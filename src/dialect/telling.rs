//! Choice of what a person is told of an event's own fields, as a dialect file says it.

use super::Pointer;
use super::error::{Fault, pointer};
use super::spec::{OneOrMany, Spec, TellingSpec};

/// Fields of an event that tell a person most, by their names at the top of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Names that come first, in this order. The rest follows as it stands in the payload.
    pub first: Vec<String>,
    /// Names that say nothing beside their values.
    pub bare: Vec<String>,
    /// Names that are left out.
    pub omit: Vec<String>,
    /// Names of what a bar shows: percent, step and total.
    pub bar: Vec<String>,
    /// Names of what a bar shows too, where the goal of its resource is known.
    pub goal: Vec<String>,
    /// Kinds of events that are bad news; a star at the beginning stands for anything.
    bad: Vec<String>,
}

impl Telling {
    pub(super) fn compile(spec: &Spec) -> Result<Self, Fault> {
        let TellingSpec { first, bare, omit, bad } = spec.telling.clone();
        let p = &spec.pointers;
        let of = |texts: Option<&OneOrMany>| texts.map(OneOrMany::as_slice).unwrap_or_default().to_vec();
        let bar = [p.percent.as_ref(), p.step.as_ref(), p.total.as_ref()].into_iter().flat_map(of);
        let goal = [("goal", &p.goal), ("done", &p.done)];
        let goal = goal.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)));
        let goal = goal.map(|(key, text)| pointer(text, &["pointers", key]));
        let goal: Vec<Pointer> = goal.collect::<Result<_, _>>()?;
        Ok(Self {
            first,
            bare,
            omit,
            bar: bar.filter_map(|text| at_the_top(&Pointer::parse(&text).ok()?)).collect(),
            goal: goal.iter().filter_map(at_the_top).collect(),
            bad,
        })
    }

    /// Whether events of that kind are bad news.
    pub fn is_bad(&self, kind: &str) -> bool {
        self.bad.iter().any(|bad| match bad.strip_prefix('*') {
            Some(end) => kind.ends_with(end),
            None => kind == bad,
        })
    }
}

/// The name that a pointer leads to, where that is a name at the top.
fn at_the_top(pointer: &Pointer) -> Option<String> {
    match pointer.names() {
        [name] => Some(name.clone()),
        _ => None,
    }
}
