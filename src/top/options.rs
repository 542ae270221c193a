//! Settings of the verb, resolved.

use std::time::Duration;

use crate::dialect::Dialects;
use crate::lists::ListClient;
use crate::screen::{Abilities, Order, RowFilter};

/// Settings of [`super::run`] and [`super::once`].
#[derive(Debug, Clone)]
pub(crate) struct TopOptions {
    /// The relay, and what proves who asks.
    pub relay: ListClient,
    /// Time between questions, and the time over which rates are measured. Nothing: [`super::once`] measures none.
    pub interval: Duration,
    /// Dialects, to read events of a relay that does not say what they mean.
    pub dialects: Dialects,
    /// Abilities of the terminal.
    pub abilities: Abilities,
    /// Order of the jobs.
    pub order: Order,
    /// Which jobs are shown.
    pub filter: RowFilter,
    /// Jobs that [`super::once`] prints at most.
    pub limit: usize,
}

/// Format of [`super::once`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnceFormat {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}
