//! Answers to published events, however they are published.

/// What answers said.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How many there were.
    pub(super) count: u64,
    /// Refusals: which of the answers it was, status and reason.
    pub(super) bad: Vec<(u64, Option<u16>, String)>,
}

impl Answers {
    pub(super) fn good(&mut self) {
        self.count += 1;
    }

    pub(super) fn bad(&mut self, status: Option<u16>, reason: String) {
        self.bad.push((self.count, status, reason));
        self.count += 1;
    }
}
