//! Cursors: a client's place in the events of this relay, as text.
//!
//! A cursor means that everything of all targets up to its sequence was sent or conflated. It holds the relay's epoch,
//! since the sequences of another run of the relay say nothing about this one.

use std::fmt;

use serde_json::json;

/// Characters that a cursor may have at most.
const MAX_CURSOR: usize = 256;

/// The text that stands for the beginning of what is kept.
pub(super) const BEGINNING: &str = "0";

/// One run of a relay: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

impl Epoch {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The cursor of a sequence, at most 33 characters of `[0-9a-f.]`.
    pub(super) fn cursor(self, sequence: u64) -> Cursor {
        Cursor { epoch: self, sequence }
    }

    /// Reads a cursor that a client brought.
    pub(super) fn read(self, text: &str) -> Since {
        if text == BEGINNING {
            return Since::Beginning;
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if text.is_empty() || text.len() > MAX_CURSOR || !text.bytes().all(allowed) {
            return Since::Lost(Loss::Invalid);
        }
        let number = |part: &str| {
            let canonical = part == "0" || !part.starts_with('0');
            let lower = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            (canonical && lower).then(|| u64::from_str_radix(part, 16).ok()).flatten()
        };
        let parts = text.split_once('.').and_then(|(epoch, at)| Some((number(epoch)?, number(at)?)));
        match parts {
            None => Since::Lost(Loss::Invalid),
            Some((epoch, _)) if epoch != self.0 => Since::Lost(Loss::Restarted),
            Some((_, sequence)) => Since::After(sequence),
        }
    }
}

/// The text form of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    epoch: Epoch,
    sequence: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.epoch.0, self.sequence)
    }
}

/// Where a client wants to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// At the beginning of what is kept.
    Beginning,
    /// Behind the event of this sequence.
    After(u64),
    /// Nowhere: the cursor does not say where.
    Lost(Loss),
}

/// Why a client cannot go on where it was, in the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Something that came since is no longer kept.
    TooOld,
    /// The relay has been started since.
    Restarted,
    /// The text is no cursor of this relay.
    Invalid,
    /// The relay itself may have missed events since.
    SourceLost,
}

impl Loss {
    const fn word(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::Restarted => "restarted",
            Self::Invalid => "invalid",
            Self::SourceLost => "source_lost",
        }
    }
}

/// Message that events are missing; of one target where there may be several, with a cursor to go on from where that is
/// true of all of them.
pub(super) fn gap(loss: Loss, target: Option<&str>, cursor: Option<Cursor>) -> String {
    let mut message = json!({ "type": "gap", "reason": loss.word() });
    if let Some(target) = target {
        message["target"] = target.into();
    }
    if let Some(cursor) = cursor {
        message["cursor"] = cursor.to_string().into();
    }
    message.to_string()
}

/// Message that refreshes a client's cursor.
pub(super) fn refresh(cursor: Cursor) -> String {
    format!(r#"{{"type":"cursor","cursor":"{cursor}"}}"#)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written_by_its_own_epoch_alone(epoch: u64, other: u64, sequence: u64) {
            prop_assume!(epoch != other);
            let text = Epoch(epoch).cursor(sequence).to_string();
            prop_assert_eq!(Epoch(epoch).read(&text), Since::After(sequence));
            prop_assert_eq!(Epoch(other).read(&text), Since::Lost(Loss::Restarted));
        }

        #[test]
        fn any_text_is_read_without_harm(text: String) {
            Epoch(1).read(&text);
        }
    }

    #[test]
    fn garbage_is_no_cursor() {
        assert_eq!(Epoch(1).read("0"), Since::Beginning);
        let long = format!("1.{}", "1".repeat(300));
        for text in [
            "", "1", "1.", ".1", "1.2.3", "01.2", "1.02", "1.A", "1.+2", " 1.2", "1.2 ", "ü.1", "1.1g", &long,
        ] {
            assert_eq!(Epoch(1).read(text), Since::Lost(Loss::Invalid), "{text}");
        }
        let cursor = Epoch(255).cursor(16);
        assert_eq!(
            gap(Loss::TooOld, Some("channel:a"), Some(cursor)),
            r#"{"type":"gap","reason":"too_old","target":"channel:a","cursor":"ff.10"}"#
        );
        assert_eq!(refresh(cursor), r#"{"type":"cursor","cursor":"ff.10"}"#);
    }
}
