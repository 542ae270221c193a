//! What a person or a program reads of a run: all of it made from its [`Summary`](super::summary::Summary).
//!
//! Reports are pure functions from the summary to text; only the outputs touch files and the live view a terminal. What came
//! from a server (reasons, messages) is made harmless before it reaches a terminal, a Markdown table or a page.

mod buckets;
pub mod compare;
mod figures;
mod files;
mod html;
mod junit;
pub mod live;
mod markdown;
mod outputs;
mod search;
mod table;
mod text;
mod timings;

pub use files::{csv, hgrm, hlog, json};
pub use html::html;
pub use junit::{junit, unbegun};
pub use markdown::markdown;
pub use outputs::{OutputPaths, Outputs};
pub use text::{headline, text};
