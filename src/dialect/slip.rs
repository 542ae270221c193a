//! Slips: mistakes of a worker in events that are relayed all the same.

use serde_json::value::RawValue;

use super::raw::text;

/// A mistake of a worker that does not prevent relaying the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Slip {
    /// The event names no kind.
    #[error("it names no kind")]
    NoKind,
    /// The kind is no text.
    #[error("its kind is no text")]
    KindType,
    /// The dialect knows no such kind.
    #[error("the dialect knows no such kind")]
    UnknownKind,
    /// The percent is no number.
    #[error("its percent is no number")]
    PercentType,
    /// The percent is below 0 or above 100.
    #[error("its percent is not from 0 to 100")]
    PercentRange,
    /// The payload names another job than the channel, whose job counts.
    #[error("it names another job than its channel, which counts")]
    OtherJob,
}

impl Slip {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 6] = [
        Self::NoKind,
        Self::KindType,
        Self::UnknownKind,
        Self::PercentType,
        Self::PercentRange,
        Self::OtherJob,
    ];

    /// The name in statistics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::NoKind => "no_kind",
            Self::KindType => "kind_type",
            Self::UnknownKind => "unknown_kind",
            Self::PercentType => "percent_type",
            Self::PercentRange => "percent_range",
            Self::OtherJob => "other_job",
        }
    }
}

/// The slips of one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slips(u8);

impl Slips {
    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, once.
    pub fn iter(self) -> impl Iterator<Item = Slip> {
        Slip::ALL.into_iter().filter(move |slip| self.0 & 1 << *slip as u8 != 0)
    }

    pub(super) const fn add(&mut self, slip: Slip) {
        self.0 |= 1 << slip as u8;
    }

    /// Notes what is wrong with a kind that the dialect does not know.
    pub(super) fn of_kind(&mut self, raw: Option<&RawValue>) {
        self.add(match raw.map(RawValue::get) {
            None | Some("null" | "\"\"") => Slip::NoKind,
            Some(kind) if kind.starts_with('"') => Slip::UnknownKind,
            Some(_) => Slip::KindType,
        });
    }

    /// Notes what is wrong with a percent, given what it is as a number.
    pub(super) fn of_percent(&mut self, raw: Option<&RawValue>, number: Option<f64>) {
        match (raw.map(RawValue::get), number) {
            (None | Some("null"), _) => {}
            (Some(_), Some(percent)) if (0.0..=100.0).contains(&percent) => {}
            // A number too big for one is out of range all the more.
            (Some(json), None) if !json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                self.add(Slip::PercentType);
            }
            _ => self.add(Slip::PercentRange),
        }
    }

    /// Notes that a payload names another job than its channel.
    pub(super) fn of_job(&mut self, raw: Option<&RawValue>, job: &str) {
        let named = raw.filter(|raw| !matches!(raw.get(), "null" | "\"\""));
        if named.is_some_and(|raw| text(raw).as_deref().unwrap_or(raw.get()) != job) {
            self.add(Slip::OtherJob);
        }
    }
}
