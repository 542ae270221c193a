//! `schema`: types of a dialect's messages.

use std::io::{self, Write as _};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::Globals;
use crate::dialect::{SchemaFormat, schema};
use crate::exit::{Exit, Failure};

/// Print types of the events of a dialect, of its polling body and of the messages of sockets: JSON Schema or TypeScript
///
/// The types come from the catalogue that `publish` checks events by: names, types, values, limits, what may be null and what is
/// always there. Of a dialect that names no events (celery, bullmq) only the kinds are known. With --dialect-file they are
/// those of your own dialects too.
///
/// The JSON Schema (draft 2020-12) is that of an event as it is published; in its $defs are the messages of the dialect's socket
/// in both directions, the polling body and each kind of event by the names that TypeScript has. Fields that are not named may
/// be there all the same: workers add some, and the relay passes them on.
///
/// With each dialect come the types of what every relay sends and takes: WatchMessage and WatchCommand of /watch, CursorMessage
/// and GapMessage, JobList of GET /jobs, HttpError.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire schema scraping > scraping.schema.json\n  \
    jobwire schema --format typescript > src/jobwire.ts\n  \
    jobwire schema builds --dialect-file builds.toml --format typescript")]
pub(super) struct SchemaArgs {
    /// The dialect, as in scraping [default: all of them].
    dialect: Option<String>,

    /// The language of the types.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_FORMAT", default_value_t)]
    format: FormatChoice,
}

/// The language of types, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// JSON Schema, draft 2020-12.
    #[default]
    JsonSchema,
    /// Declarations of TypeScript.
    #[value(name = "typescript")]
    TypeScript,
}

impl SchemaArgs {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit> {
        let format = match self.format {
            FormatChoice::JsonSchema => SchemaFormat::JsonSchema,
            FormatChoice::TypeScript => SchemaFormat::TypeScript,
        };
        let text = match &self.dialect {
            None => {
                let all: Vec<_> = globals.dialects.iter().map(|(_, dialect)| &**dialect).collect();
                schema(&all, format)
            }
            Some(name) => {
                let dialect = globals.dialects.require(name);
                let dialect = dialect.map_err(|error| Failure::usage(error.to_string()))?;
                schema(&[&dialect], format)
            }
        };
        io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        Ok(Exit::Success)
    }
}
