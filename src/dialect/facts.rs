//! Facts for people in a payload or a polling body. A fact is found by a list of pointers; the first that leads to
//! something counts.

use std::borrow::Cow;

use serde_json::Number;
use serde_json::value::RawValue;

use super::error::{Fault, pointer};
use super::pointer::{Slot, Tree};
use super::raw::{count, number, text, words};
use super::spec::{OneOrMany, TextSpec, Texts};

/// Values found in a text, by their slots.
pub(super) type Slots<'a> = [Option<&'a RawValue>];

/// A tree of pointers under construction, which hands out the slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) tree: Tree,
    /// Slots so far.
    pub(super) slots: usize,
}

impl Plan {
    /// Wants the value behind a pointer, which stands at the key `path` of the file.
    pub(super) fn want(&mut self, text: &str, path: &[&str]) -> Result<Slot, Fault> {
        self.tree.want(&pointer(text, path)?, self.slots);
        self.slots += 1;
        Ok(self.slots - 1)
    }

    pub(super) fn want_all(&mut self, texts: Option<&OneOrMany>, path: &[&str]) -> Result<Vec<Slot>, Fault> {
        let texts = texts.map(OneOrMany::as_slice).unwrap_or_default();
        texts.iter().map(|text| self.want(text, path)).collect()
    }

    pub(super) fn want_texts(&mut self, texts: Option<&Texts>, path: &[&str]) -> Result<Vec<TextAt>, Fault> {
        let texts = texts.map(Texts::as_slice).unwrap_or_default();
        let place = |spec: &TextSpec| {
            Ok(match spec {
                TextSpec::At(at) => TextAt::Plain(self.want(at, path)?),
                TextSpec::Bare(bare) => TextAt::Bare {
                    slot: self.want(&bare.text, path)?,
                    before: bare.before.as_str().into(),
                    longest: bare.longest.unwrap_or(usize::MAX),
                    numbers: bare.numbers,
                },
                TextSpec::Named(named) => TextAt::Named {
                    name: self.want(&named.name, path)?,
                    detail: named.detail.as_deref().map(|at| self.want(at, path)).transpose()?,
                },
            })
        };
        texts.iter().map(place).collect()
    }

    /// Reads `text` once; `None` where it is no JSON object.
    pub(super) fn read<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a RawValue>>> {
        let mut slots = vec![None; self.slots];
        matches!(self.tree.scan(text, &mut slots), Ok(true)).then_some(slots)
    }
}

/// Place of a text in a payload or body.
#[derive(Debug, Clone)]
pub(super) enum TextAt {
    /// A text, or another value in words.
    Plain(Slot),
    /// A text or a number of at most `longest` characters; a number only where `numbers` is set. The result begins with
    /// `before`.
    Bare { slot: Slot, before: Box<str>, longest: usize, numbers: bool },
    /// `name: detail`, as in `OSError: 28, No space left on device`.
    Named { name: Slot, detail: Option<Slot> },
}

impl TextAt {
    /// The text that stands there; none where it is empty.
    fn read(&self, slots: &Slots<'_>) -> Option<String> {
        let found = match self {
            Self::Plain(slot) => words(slots[*slot]?).map(Cow::into_owned),
            Self::Bare { slot, before, longest, numbers } => {
                let raw = slots[*slot]?;
                let is_wanted = *numbers || amount(raw).is_none();
                let found = word(raw).filter(|_| is_wanted);
                let found = found.filter(|word| !word.is_empty() && word.chars().nth(*longest).is_none());
                found.map(|word| format!("{before}{word}"))
            }
            Self::Named { name, detail } => {
                let name = word(slots[*name]?).filter(|name| !name.is_empty())?;
                match detail.and_then(|slot| slots[slot]).map(listed).filter(|detail| !detail.is_empty()) {
                    Some(detail) => Some(format!("{name}: {detail}")),
                    None => Some(name),
                }
            }
        };
        found.filter(|text| !text.is_empty())
    }
}

/// A text, or a number as it is written.
fn word(raw: &RawValue) -> Option<String> {
    text(raw).map(Cow::into_owned).or_else(|| number(raw).map(|_| raw.get().to_owned()))
}

/// A text or a number, or those of a list with commas between them.
fn listed(raw: &RawValue) -> String {
    match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        Ok(items) => items.into_iter().filter_map(word).collect::<Vec<_>>().join(", "),
        Err(_) => word(raw).unwrap_or_default(),
    }
}

/// The first text among several places.
pub(super) fn first_text(places: &[TextAt], slots: &Slots<'_>) -> Option<String> {
    places.iter().find_map(|place| place.read(slots))
}

/// The first text among several places, and the others in brackets behind it.
pub(super) fn result_text(places: &[TextAt], slots: &Slots<'_>) -> Option<String> {
    let named = |raw| text(raw).map(Cow::into_owned).filter(|text| !text.is_empty());
    let whole = |raw| count(raw).map(|number| number.to_string());
    let read = |place: &TextAt| match place {
        TextAt::Plain(slot) => slots[*slot].and_then(|raw| named(raw).or_else(|| whole(raw))),
        _ => place.read(slots),
    };
    places
        .iter()
        .filter_map(read)
        .filter(|text| !text.is_empty())
        .reduce(|first, next| format!("{first} ({next})"))
}

/// The first whole number among several places.
pub(super) fn first_count(places: &[Slot], slots: &Slots<'_>) -> Option<u64> {
    places.iter().find_map(|slot| count(slots[*slot]?))
}

/// The parts of an entity's name, each read by `name` and joined; `None` where the first is absent.
pub(super) fn entity<'a>(
    parts: &[Option<&'a RawValue>],
    name: impl Fn(&'a RawValue) -> Option<Cow<'a, str>>,
) -> Option<Cow<'a, str>> {
    let first = name(parts.first().copied().flatten()?)?;
    match parts.get(1).copied().flatten().and_then(name) {
        None => Some(first),
        Some(second) => Some(Cow::Owned(format!("{first} {second}"))),
    }
}

/// How the percent of a job is found.
#[derive(Debug, Clone, Default)]
pub(super) struct Percent {
    current: Vec<Slot>,
    total: Vec<Slot>,
    given: Vec<Slot>,
}

impl Percent {
    pub(super) fn compile(
        plan: &mut Plan,
        [current, total, percent]: [Option<&OneOrMany>; 3],
        table: &[&str],
    ) -> Result<Self, Fault> {
        let mut want = |texts, key| plan.want_all(texts, &[table, &[key]].concat());
        // Without `current` the total is that of the steps.
        let total = if current.is_some() { want(total, "total")? } else { Vec::new() };
        Ok(Self { current: want(current, "current")?, total, given: want(percent, "percent")? })
    }

    /// Percentage of the total that is done; else the first percent that is given.
    pub(super) fn read(&self, slots: &Slots<'_>) -> Option<Number> {
        let first = |places: &[Slot]| places.iter().find_map(|slot| amount(slots[*slot]?));
        let share = || {
            let (current, total) = (first(&self.current)?.as_f64()?, first(&self.total)?.as_f64()?);
            (total > 0.0).then(|| tidy((100.0 * current / total).clamp(0.0, 100.0))).flatten()
        };
        share().or_else(|| first(&self.given))
    }
}

/// A number, or a text that is one, with a percent sign or without: `45`, `"45"`, `"45 %"`.
pub(super) fn amount(raw: &RawValue) -> Option<Number> {
    number(raw).or_else(|| {
        let text = text(raw)?;
        let digits = text.trim();
        let digits = digits.strip_suffix('%').unwrap_or(digits).trim_end();
        digits.parse().ok().and_then(tidy)
    })
}

/// A number without a fraction is written without one.
#[expect(clippy::cast_possible_truncation, reason = "a percent, and only where nothing is lost")]
fn tidy(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_percent_is_a_number_or_a_text_that_is_one() {
        let read = |json: &str| amount(&raw(json)).map(|number| number.to_string());
        for (json, percent) in [
            ("45", "45"),
            ("45.5", "45.5"),
            ("\"45\"", "45"),
            ("\"45%\"", "45"),
            ("\" 45.5 % \"", "45.5"),
            ("\"0\"", "0"),
        ] {
            assert_eq!(read(json).as_deref(), Some(percent), "{json}");
        }
        for none in
            ["null", "true", "\"\"", "\"%\"", "\"half\"", "\"NaN\"", "\"inf%\"", "[45]", "{}", "\"4 5\""]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn what_went_wrong_is_a_name_and_the_texts_and_numbers_of_a_list() {
        for (json, listed_as) in [
            (r#"[28,"No space left on device"]"#, "28, No space left on device"),
            (r#"["a",null,{"b":1},["c"],-1.5,true]"#, "a, -1.5"),
            (r#""plain""#, "plain"),
            ("7", "7"),
            ("[]", ""),
            ("null", ""),
            (r#"{"a":1}"#, ""),
        ] {
            assert_eq!(listed(&raw(json)), listed_as, "{json}");
        }
    }
}
