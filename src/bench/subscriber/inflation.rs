//! Messages that come compressed.

use std::collections::VecDeque;

use crate::wire::deflate::Inflater;
use crate::wire::websocket::Violation;

/// Messages that are remembered: more than are under way at one time to connections that get the same.
const REMEMBERED: usize = 16;

/// Inflates messages, and remembers the last ones: a server that compresses an event once sends the same bytes to all who
/// watch it. Messages are complete in themselves, since no side keeps its context.
#[derive(Debug, Default)]
pub(super) struct Inflation {
    inflater: Inflater,
    /// Messages as they came and inflated, the newest first.
    known: VecDeque<(Vec<u8>, Vec<u8>)>,
}

impl Inflation {
    /// The message of a compressed payload; one over `limit` bytes, or that is none, is a violation.
    pub(super) fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<&[u8], Violation> {
        let found = self.known.iter().position(|(known, _)| known == payload);
        let at = found.unwrap_or(0);
        if found.is_none() {
            let oldest = if self.known.len() == REMEMBERED { self.known.pop_back() } else { None };
            let (mut known, mut message) = oldest.unwrap_or_default();
            self.inflater.inflate(payload, limit, &mut message)?;
            known.clear();
            known.extend_from_slice(payload);
            self.known.push_front((known, message));
        }
        Ok(&self.known[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::deflate::Compressor;

    #[test]
    fn messages_are_inflated_whether_or_not_they_are_known() {
        let (mut compressor, mut inflation) = (Compressor::default(), Inflation::default());
        let texts: Vec<String> =
            (0..REMEMBERED * 2).map(|nth| format!("{nth} {}", "x".repeat(300))).collect();
        for round in 0..3 {
            for text in &texts {
                let mut payload = Vec::new();
                compressor.compress(text.as_bytes(), &mut payload);
                for _ in 0..=round {
                    assert_eq!(inflation.inflate(&payload, 1000), Ok(text.as_bytes()));
                }
            }
        }
        assert_eq!(inflation.known.len(), REMEMBERED);
        assert!(inflation.inflate(&[0xff; 9], 1000).is_err());
        let mut large = Vec::new();
        compressor.compress(&[b'y'; 2000], &mut large);
        assert_eq!(inflation.inflate(&large, 1000), Err(Violation::TooBig));
    }
}
