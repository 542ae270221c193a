//! The contract of `/watch`: a client that watches any targets, each with a right of its own.

mod permit;
mod target;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use self::permit::Permit;
pub(in crate::relay) use self::permit::{Credentials, ListAccess};
use self::target::Named;
use super::allowance::{Allowance, PER_SECOND, Verdict};
use super::watch::{Kinds, Many, Place, Watch};
use super::{Action, Guard, Millis};
use crate::dialect::{CloseReason, Dialects, Outcome, Topic, TopicKind, with_nearest};
use crate::jwt::Claims;
use crate::relay::auth::{Ownerless, Whose};
use crate::relay::cursor::{Epoch, Since};
use crate::wire::watch::{ClientMessage, MAX_TARGETS, ServerMessage};

/// Types of a client's messages.
const COMMANDS: [&str; 4] = ["watch", "unwatch", "token", "ping"];

/// Bytes of messages that may wait for the check of a token.
const MOST_WAITING: usize = 64 << 10;

const EXAMPLE: &str = r#"{"type":"watch","targets":["scraping/123"]}"#;

/// Code of an error that is about a message or a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Code {
    BadMessage,
    UnknownTarget,
    ImpossibleJobId,
    NotAllowed,
    Limit,
}

impl Code {
    /// All codes, which the schema of the messages names too.
    #[cfg(test)]
    const ALL: [Self; 5] =
        [Self::BadMessage, Self::UnknownTarget, Self::ImpossibleJobId, Self::NotAllowed, Self::Limit];

    const fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::UnknownTarget => "unknown_target",
            Self::ImpossibleJobId => "impossible_job_id",
            Self::NotAllowed => "not_allowed",
            Self::Limit => "limit",
        }
    }
}

/// Something wrong with a target: the code, and words for people.
type Refused = (Code, String);

/// Targets that are to be watched, as a URL or a message names them.
#[derive(Debug, Clone, Default)]
pub(in crate::relay) struct Wanted {
    /// Targets as texts.
    pub targets: Vec<String>,
    /// Place that the client wants to go on from.
    pub since: Option<Since>,
    /// Kinds of events to send; all where there is no list.
    pub kinds: Option<Arc<Kinds>>,
    /// Whether the run so far is wanted, not only the newest event.
    pub replay: bool,
}

/// What the client is still to be told of its list of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Nothing.
    None,
    /// The list has changed.
    Changed,
    /// The list was told without a cursor.
    OwesCursor,
}

/// A client of `/watch`.
#[derive(Debug)]
pub(in crate::relay) struct Watcher {
    dialects: Arc<Dialects>,
    epoch: Epoch,
    ownerless: Ownerless,
    credentials: Credentials,
    allowance: Allowance,
    news: News,
    /// Messages that came behind a token, until that was checked.
    behind_token: Option<VecDeque<Box<str>>>,
    /// The session is being closed; input is ignored from now on.
    over: bool,
}

impl Watcher {
    /// A client that begins now.
    pub(in crate::relay) fn new(
        dialects: Arc<Dialects>,
        epoch: Epoch,
        ownerless: Ownerless,
        credentials: Credentials,
        now: Millis,
    ) -> Self {
        let allowance = Allowance::new(now);
        Self {
            dialects,
            epoch,
            ownerless,
            credentials,
            allowance,
            news: News::Changed,
            behind_token: None,
            over: false,
        }
    }

    /// Adds targets. Those that are watched already stay as they are; each that cannot be watched is told.
    pub(super) fn watch(&mut self, wanted: &Wanted, watches: &mut Many, out: &mut Vec<Action>) {
        // One that is no place at all is so for all targets.
        let since = match &wanted.since {
            Some(Since::Lost(loss)) => {
                out.push(Action::Gap(*loss, None, None));
                None
            }
            since => since.clone(),
        };
        // Errors first: the list of targets comes as soon as the last watch is caught up.
        let mut begun = Vec::new();
        for text in &wanted.targets {
            if let Err((code, message)) = self.add(text, since.as_ref(), wanted, watches, &mut begun) {
                out.push(error(code, Some(text), message));
            }
        }
        out.append(&mut begun);
        self.news = News::Changed;
    }

    fn add(
        &mut self,
        text: &str,
        since: Option<&Since>,
        wanted: &Wanted,
        watches: &mut Many,
        out: &mut Vec<Action>,
    ) -> Result<(), Refused> {
        let named = Named::parse(text, &self.dialects)?;
        let topic = named.topic();
        if watches.find(&topic).is_some() {
            return Ok(());
        }
        let permit = self.credentials.permit(&named, &self.dialects)?;
        if watches.len() >= MAX_TARGETS {
            let message =
                format!("a connection watches at most {MAX_TARGETS} targets; end some, or open another one");
            return Err((Code::Limit, message));
        }
        let place = self.place(topic, permit, since.cloned(), wanted);
        out.push(Action::Begin(watches.add(place)));
        Ok(())
    }

    fn place(&self, topic: Topic, permit: Permit, since: Option<Since>, wanted: &Wanted) -> Place {
        let needs_token = permit.needs_token();
        let (guard, of) = match permit {
            Permit::Guarded(subject) => (Some(Guard::new(subject, self.ownerless)), None),
            Permit::List(of, _) => (None, Some(of)),
            Permit::Open | Permit::Token => (None, None),
        };
        let watch = match topic.kind {
            TopicKind::Job => Watch::of_job(topic, guard, None, since.clone()),
            _ => Watch::behind(topic),
        };
        let beginning = Some((since, wanted.replay));
        let mut place = Place { kinds: wanted.kinds.clone(), needs_token, beginning, ..Place::new(watch) };
        place.of = of.unwrap_or(place.of);
        place
    }

    /// Ends the watches of targets.
    fn unwatch(&mut self, targets: &[String], watches: &mut Many, out: &mut Vec<Action>) {
        for text in targets {
            match Named::parse(text, &self.dialects) {
                Ok(named) => {
                    let topic = named.topic();
                    watches.remove(&topic);
                    out.push(Action::Unsubscribe(topic));
                }
                Err((code, message)) => out.push(error(code, Some(text), message)),
            }
        }
        self.news = News::Changed;
    }

    /// Ends the watch of a target, and says why.
    pub(super) fn refuse(
        &mut self,
        topic: Topic,
        reason: CloseReason,
        watches: &mut Many,
        out: &mut Vec<Action>,
    ) {
        let target = target::name(&topic, &self.dialects);
        out.push(error(Code::NotAllowed, Some(&target), reason.text().to_owned()));
        watches.remove(&topic);
        out.push(Action::Unsubscribe(topic));
        self.news = News::Changed;
    }

    /// A text came.
    pub(super) fn text(&mut self, text: &str, now: Millis, watches: &mut Many, out: &mut Vec<Action>) {
        if !self.may_speak(now, out) {
            return;
        }
        match &mut self.behind_token {
            None => self.say(text, watches, out),
            Some(waiting)
                if waiting.iter().map(|text| text.len()).sum::<usize>() + text.len() <= MOST_WAITING =>
            {
                waiting.push_back(text.into());
            }
            Some(_) => {
                out.push(error(Code::Limit, None, "too much behind a token that is still to be checked"));
            }
        }
    }

    /// The token that the client brought was checked: the messages behind it may go by it.
    pub(super) fn checked(&mut self, watches: &mut Many, out: &mut Vec<Action>) {
        let mut waiting = self.behind_token.take().unwrap_or_default();
        while self.behind_token.is_none() && !self.over {
            let Some(text) = waiting.pop_front() else { return };
            self.say(&text, watches, out);
        }
        // There was another token among them.
        self.behind_token = Some(waiting);
    }

    fn say(&mut self, text: &str, watches: &mut Many, out: &mut Vec<Action>) {
        match parse(text) {
            Err(message) => out.push(error(Code::BadMessage, None, message)),
            Ok(ClientMessage::Ping) => out.push(Action::TextPong),
            Ok(ClientMessage::Token { token }) => {
                self.behind_token = Some(VecDeque::new());
                out.push(Action::CheckToken(token.into()));
            }
            Ok(ClientMessage::Unwatch { targets }) => self.unwatch(&targets, watches, out),
            Ok(ClientMessage::Watch { targets, since, kinds }) => {
                let since = since.map(|since| self.epoch.read(&since));
                let kinds = kinds.map(|kinds| Kinds::new(kinds.iter().map(String::as_str)));
                let wanted = Wanted { targets, since, kinds, replay: false };
                self.watch(&wanted, watches, out);
            }
        }
    }

    /// A binary message came that is none of the contract.
    pub(super) fn binary(&mut self, now: Millis, out: &mut Vec<Action>) {
        if self.may_speak(now, out) {
            out.push(error(Code::BadMessage, None, "a message is a JSON text; got a binary one"));
        }
    }

    /// Whether the client may say something; if not it is told so, or cut off.
    fn may_speak(&mut self, now: Millis, out: &mut Vec<Action>) -> bool {
        if self.over {
            return false;
        }
        match self.allowance.take(now) {
            Verdict::Granted => return true,
            Verdict::Refused => {
                let message = format!(
                    "too many messages; send at most {PER_SECOND} a second, and several targets in one"
                );
                out.push(error(Code::Limit, None, message));
            }
            Verdict::Flood => {
                self.over = true;
                out.push(Action::Close(CloseReason::Overload));
            }
        }
        false
    }

    /// The client brought another token, which is good. Targets that it does not cover are ended.
    pub(super) fn renew(&mut self, claims: Claims, watches: &mut Many, out: &mut Vec<Action>) {
        let credentials = self.credentials.with_token(claims);
        let before = std::mem::replace(&mut self.credentials, credentials);
        let is_other = before.subject() != self.credentials.subject();
        let gone: Vec<(Topic, String)> = watches
            .iter()
            .filter(|(_, place)| place.needs_token)
            .filter_map(|(_, place)| {
                let topic = place.watch.topic();
                let named = Named::of(topic);
                let lost = match self.credentials.permit(&named, &self.dialects) {
                    Err((_, message)) => Some(message),
                    // The guard, and a list, know the subject that they were made for.
                    Ok(Permit::Guarded(_) | Permit::List(Whose::Of(_), _)) if is_other => {
                        Some("it was watched with another subject's token; watch it again".to_owned())
                    }
                    Ok(_) => None,
                };
                Some((topic.clone(), lost?))
            })
            .collect();
        self.end(gone, watches, out);
    }

    /// The client's token has expired: targets that need one are ended. Returns whether any target is left.
    pub(super) fn expire(&mut self, watches: &mut Many, out: &mut Vec<Action>) -> bool {
        self.credentials.expire();
        let needs_token = watches.iter().filter(|(_, place)| place.needs_token);
        let gone = needs_token.map(|(_, place)| {
            (place.watch.topic().clone(), "the token has expired; send another one".to_owned())
        });
        self.end(gone.collect(), watches, out);
        watches.len() > 0
    }

    fn end(&mut self, gone: Vec<(Topic, String)>, watches: &mut Many, out: &mut Vec<Action>) {
        if !gone.is_empty() {
            self.news = News::Changed;
        }
        for (topic, message) in gone {
            out.push(error(Code::NotAllowed, Some(&target::name(&topic, &self.dialects)), message));
            watches.remove(&topic);
            out.push(Action::Unsubscribe(topic));
        }
    }

    /// The list of all targets, where it has changed. Told without a cursor, it is told again once there is one.
    pub(super) fn announce(&mut self, watches: &Many, cursor: Option<String>) -> Option<String> {
        if self.news == News::None || (self.news == News::OwesCursor && cursor.is_none()) {
            return None;
        }
        self.news = if cursor.is_some() { News::None } else { News::OwesCursor };
        let targets = watches.iter().map(|(_, place)| self.name(place.watch.topic()).into()).collect();
        Some(ServerMessage::Watching { targets, cursor: cursor.map(Into::into) }.to_text())
    }

    /// Whether the list of all targets has changed since it was told.
    pub(super) fn has_changed(&self) -> bool {
        self.news == News::Changed
    }

    /// Whether the list of all targets is to be told with the next cursor.
    pub(super) fn owes_cursor(&self) -> bool {
        self.news != News::None
    }

    /// A topic as a target.
    pub(super) fn name(&self, topic: &Topic) -> String {
        target::name(topic, &self.dialects)
    }

    /// The message that a job has ended.
    pub(super) fn ended(&self, job: &Topic, outcome: Outcome) -> String {
        let target = self.name(job).into();
        ServerMessage::Ended { target, outcome: outcome.as_str().into() }.to_text()
    }
}

/// An error for the client.
pub(super) fn error(code: Code, target: Option<&str>, message: impl Into<String>) -> Action {
    let message = ServerMessage::Error {
        code: code.as_str().into(),
        target: target.map(Into::into),
        message: message.into().into(),
    };
    Action::Answer(message.to_text())
}

/// Reads a client's message; an error says what is wrong with it.
fn parse(text: &str) -> Result<ClientMessage, String> {
    if text == "ping" {
        return Ok(ClientMessage::Ping);
    }
    let Ok(Value::Object(message)) = serde_json::from_str(text) else {
        return Err(format!("a message is a JSON object, as in {EXAMPLE}"));
    };
    match message.get("type").and_then(Value::as_str) {
        None => return Err(format!("a message has a type that is text, as in {EXAMPLE}")),
        Some(kind) if !COMMANDS.contains(&kind) => {
            let shown: String = kind.chars().take(40).collect();
            let text = format!("there is no message '{}'", shown.escape_debug());
            return Err(with_nearest(&text, kind, COMMANDS));
        }
        Some(_) => {}
    }
    // The reason names a field, and never its value.
    serde_json::from_value(Value::Object(message)).map_err(|error| {
        let reason = error.to_string();
        let field = reason.split('`').nth(1).filter(|_| reason.starts_with("missing")).unwrap_or_default();
        if field.is_empty() {
            format!("targets and kinds are lists of texts, since and token are texts, as in {EXAMPLE}")
        } else {
            format!("the message has no {field}, as in {EXAMPLE}")
        }
    })
}
