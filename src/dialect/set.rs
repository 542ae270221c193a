//! All dialects that are on: the built-in ones, a user's, and what flags change about them.

use std::sync::Arc;
use std::time::Duration;

use super::{Auth, Dialect, DialectError, DialectId, Source, compile, job, redact};

/// The dialects that are on, in a fixed order.
#[derive(Debug, Clone)]
pub struct Dialects(Vec<Arc<Dialect>>);

/// Name of the dialect of targets without a dialect.
const UNNAMED: &str = "jobs";

impl Dialects {
    /// The built-in ones.
    pub fn builtin() -> Self {
        let load = |text, origin| {
            Arc::new(Dialect::from_toml(text, origin).expect("a test loads every built-in dialect"))
        };
        Self(vec![
            load(include_str!("builtin/downloads.toml"), "builtin/downloads.toml"),
            load(include_str!("builtin/scraping.toml"), "builtin/scraping.toml"),
            load(include_str!("builtin/channels.toml"), "builtin/channels.toml"),
            load(include_str!("builtin/celery.toml"), "builtin/celery.toml"),
            load(include_str!("builtin/bullmq.toml"), "builtin/bullmq.toml"),
            load(include_str!("builtin/jobs.toml"), "builtin/jobs.toml"),
            // Last: its route is one segment behind /ws, and every other path wins.
            load(include_str!("builtin/tasks.toml"), "builtin/tasks.toml"),
        ])
    }

    /// Adds a user's dialect; a name, a route or a channel that is taken is refused. It takes the place of one of its name
    /// that may be replaced. Returns whether it does.
    pub fn add(&mut self, dialect: Dialect, origin: &str) -> Result<bool, DialectError> {
        let replaced = self.0.iter().position(|other| other.replaceable && other.name == dialect.name);
        let mut others = self.0.clone();
        if let Some(at) = replaced {
            others.remove(at);
        }
        compile::check_clash(&others, &dialect, origin)?;
        match replaced {
            Some(at) => self.0[at] = Arc::new(dialect),
            None => self.0.push(Arc::new(dialect)),
        }
        Ok(replaced.is_some())
    }

    /// Copies the dialects with another grace: the time in which an unknown job may appear, and a job without an owner
    /// get one. A dialect that gives unknown jobs no time still gives them none.
    #[must_use]
    pub fn with_grace(&self, grace: Duration) -> Self {
        let change = |dialect: &Arc<Dialect>| {
            let mut dialect = Dialect::clone(dialect);
            dialect.owner_grace = grace;
            if let Some(unknown) = dialect.unknown.as_mut().filter(|unknown| !unknown.after.is_zero()) {
                unknown.after = grace;
            }
            Arc::new(dialect)
        };
        Self(self.0.iter().map(change).collect())
    }

    /// Sets the access rule for the jobs or channels of one dialect. Returns `false` where no dialect has that name.
    pub fn set_auth(&mut self, name: &str, auth: Auth) -> bool {
        let found = self.0.iter_mut().find(|dialect| *dialect.name == *name);
        found.map(|dialect| Arc::make_mut(dialect).auth = auth).is_some()
    }

    /// Copies the dialects so that none of them asks for a token.
    #[must_use]
    pub fn open(&self) -> Self {
        let open = |dialect: &Arc<Dialect>| Arc::new(Dialect { auth: Auth::None, ..Dialect::clone(dialect) });
        Self(self.0.iter().map(open).collect())
    }

    /// Copies the dialects with a prefix before the names of channels on Redis. Fails where a prefixed channel would
    /// belong to another dialect too.
    pub fn with_channel_prefix(&self, prefix: &str) -> Result<Self, DialectError> {
        let mut all = Self(Vec::new());
        for dialect in &self.0 {
            let mut dialect = Dialect::clone(dialect);
            if let Some(channels) = dialect.channels.as_mut() {
                channels.set_prefix(prefix);
                dialect.source = Source::Channels(channels.redis_names());
            }
            all.push(dialect, "--channel-prefix")?;
        }
        Ok(all)
    }

    /// Adds a dialect that replaces none.
    fn push(&mut self, dialect: Dialect, origin: &str) -> Result<(), DialectError> {
        compile::check_clash(&self.0, &dialect, origin)?;
        self.0.push(Arc::new(dialect));
        Ok(())
    }

    /// Copies the dialects with Celery's `global_keyprefix` before the channels and keys of Celery. By Celery's own
    /// rule, `_` is added to a non-empty prefix that does not end in one of `:_-.`. A user's own dialect
    /// named `celery` is left as it is.
    pub fn with_celery_prefix(&self, prefix: &str) -> Result<Self, DialectError> {
        let joint = if prefix.is_empty() || prefix.ends_with([':', '_', '-', '.']) { "" } else { "_" };
        let mut all = Self(Vec::new());
        for dialect in &self.0 {
            let mut dialect = Dialect::clone(dialect);
            if &*dialect.name == "celery" && dialect.replaceable {
                if let Source::PerJob(channel) = &mut dialect.source {
                    *channel = format!("{prefix}{joint}{channel}");
                }
                if let Some(state) = &mut dialect.state {
                    state.put_before(&format!("{prefix}{joint}"));
                }
            }
            all.push(dialect, "--celery-prefix")?;
        }
        Ok(all)
    }

    /// Copies the dialects with BullMQ's own prefix before its keys, and with queues of these names alone; with no names, all
    /// that there are. A user's own dialect named `bullmq` is left as it is.
    pub fn with_bullmq_queues(&self, prefix: &str, names: Option<&[String]>) -> Result<Self, DialectError> {
        let mut all = Self(Vec::new());
        for dialect in &self.0 {
            let mut dialect = Dialect::clone(dialect);
            if &*dialect.name == "bullmq" && dialect.replaceable {
                let (prefix, names) = (prefix.to_owned(), names.map(<[String]>::to_vec));
                if let Some(state) = &mut dialect.state {
                    state.set_key(&format!("{prefix}:"));
                }
                dialect.source = Source::Queues { prefix, names };
            }
            all.push(dialect, "--bullmq-prefix")?;
        }
        Ok(all)
    }

    /// Copies the dialects so that publications of the named ones come by Redis Streams. Fails with a name that is of no
    /// dialect, or of one whose publications always come by a channel of another program. One whose publications always come
    /// by streams may be named too.
    pub fn with_streams<'a>(&self, names: &[&'a str]) -> Result<Self, &'a str> {
        let of = |name: &str| self.0.iter().find(|dialect| *dialect.name == *name);
        if let Some(wrong) = names
            .iter()
            .find(|name| of(name).is_none_or(|dialect| dialect.publisher.is_some() && !dialect.streams))
        {
            return Err(wrong);
        }
        let streaming = |dialect: &Arc<Dialect>| {
            let streams = dialect.streams || names.contains(&&*dialect.name);
            if streams == dialect.streams {
                return Arc::clone(dialect);
            }
            Arc::new(Dialect { streams, ..Dialect::clone(dialect) })
        };
        Ok(Self(self.0.iter().map(streaming).collect()))
    }

    /// Copies the dialects so that the named one redacts nothing.
    #[must_use]
    pub fn with_nothing_redacted(&self, name: &str) -> Self {
        let show = |dialect: &Arc<Dialect>| {
            if *dialect.name != *name {
                return Arc::clone(dialect);
            }
            Arc::new(Dialect { redactor: redact::Redactor::default(), ..Dialect::clone(dialect) })
        };
        Self(self.0.iter().map(show).collect())
    }

    /// All of them, with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (DialectId, &Arc<Dialect>)> {
        self.0.iter().enumerate().map(|(index, dialect)| (DialectId::from_index(index), dialect))
    }

    /// The dialect behind an id handed out by this very set.
    pub fn get(&self, id: DialectId) -> &Arc<Dialect> {
        &self.0[id.index()]
    }

    /// The dialect of that name.
    pub fn named(&self, name: &str) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| *dialect.name == *name)
    }

    /// Dialect of targets without a dialect. It is always loaded, and the user's own dialect may replace it.
    pub fn unnamed(&self) -> &Arc<Dialect> {
        self.named(UNNAMED).expect("it is built in, and only a dialect of its name replaces it").1
    }

    /// Names, for error messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|dialect| &*dialect.name)
    }

    /// The dialect that listens on a Redis channel.
    pub fn on_channel(&self, channel: &str) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| match &dialect.source {
            Source::Channel(name) => name == channel,
            Source::PerJob(prefix) => {
                channel.strip_prefix(prefix.as_str()).is_some_and(|job| !job.is_empty())
            }
            Source::Channels(names) => names.iter().any(|name| name == channel),
            // Publishing on a channel adds nothing to a stream.
            Source::Queues { .. } => false,
        })
    }

    /// The dialect whose socket has this path, and the job's id, percent-decoded; no job where the path is one of
    /// channels. Paths of channels win over those of jobs.
    pub fn on_path(&self, path: &str) -> Option<(DialectId, &Arc<Dialect>, Option<String>)> {
        let fixed = self.iter().find(|(_, dialect)| {
            dialect
                .channels
                .as_ref()
                .is_some_and(|channels| channels.routes.iter().any(|(route, _)| route == path))
        });
        fixed.map(|(id, dialect)| (id, dialect, None)).or_else(|| {
            self.iter()
                .find_map(|(id, dialect)| Some((id, dialect, Some(job::match_route(&dialect.route, path)?))))
        })
    }

    /// The dialect of channels and rooms, if one is on.
    pub fn with_channels(&self) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| dialect.channels.is_some())
    }
}
