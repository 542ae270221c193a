//! The contract of a client that subscribes to channels and rooms.

mod command;
mod opening;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::command::{Code, Command, Complaint, quote};
pub(in crate::relay) use self::opening::Opening;
use self::subscriptions::{Change, MAX_SUBSCRIPTIONS, Subscriptions, TooMany};
use super::allowance::{Allowance, PER_SECOND, Verdict};
use super::watch::{Many, Place, Watch};
use super::{Action, Millis};
use crate::dialect::{Channels, CloseReason, Dialect, DialectId};
use crate::jwt::Grant;
use crate::wire::channels::ServerMessage;

/// A client of channels and rooms, and what it may say.
#[derive(Debug)]
pub(super) struct Subscriber {
    id: DialectId,
    dialect: Arc<Dialect>,
    subscriptions: Subscriptions,
    /// Errors in its URL, until they are told.
    complaints: Vec<Complaint>,
    allowance: Allowance,
    /// Targets that the token is restricted to.
    grant: Grant,
    /// The session is being closed; input is ignored from now on.
    over: bool,
}

impl Subscriber {
    /// A client that begins now, with what its URL asked for. `dialect` has channels.
    pub(super) fn new(id: DialectId, dialect: Arc<Dialect>, opening: Opening, now: Millis) -> Self {
        Self {
            id,
            dialect,
            subscriptions: opening.subscriptions,
            complaints: opening.complaints,
            allowance: Allowance::new(now),
            grant: Grant::default(),
            over: false,
        }
    }

    /// Restricts the client to targets that the grant covers. Other subscriptions are removed, and the first of them is
    /// reported to the client.
    pub(super) fn limit(&mut self, grant: Grant) {
        let denied = self.subscriptions.retain(|one| one.is_covered(&grant));
        self.complaints.extend(denied.first().map(|one| not_allowed(&one.to_string())));
        self.grant = grant;
    }

    /// Begins: subscribes to what the URL asked for, and says so. `time` as [`timestamp`](crate::dialect::timestamp) has it.
    pub(super) fn begin(&mut self, time: &str, watches: &mut Many, out: &mut Vec<Action>) {
        for subscription in self.subscriptions.iter() {
            let topic = subscription.topic(self.id);
            out.push(Action::Subscribe(topic.clone(), watches.add(Place::new(Watch::of_channel(topic)))));
        }
        let message = ServerMessage::Connection {
            status: "connected",
            channels: self.subscriptions.channels(),
            rooms: self.subscriptions.rooms(),
            timestamp: time,
        };
        out.push(Action::Answer(message.to_text()));
        out.extend(std::mem::take(&mut self.complaints).iter().map(|error| Action::Answer(error.text())));
    }

    /// A text came.
    pub(super) fn text(&mut self, text: &str, now: Millis, watches: &mut Many, out: &mut Vec<Action>) {
        if self.may_command(now, out) {
            let answer = Command::parse(text).and_then(|command| self.obey(command, watches, out));
            out.push(answer.unwrap_or_else(|error| Action::Answer(error.text())));
        }
    }

    /// A binary message came, which is no command.
    pub(super) fn binary(&mut self, now: Millis, out: &mut Vec<Action>) {
        if self.may_command(now, out) {
            let error = Complaint::new(Code::BadMessage, "a command is a text message; got a binary one");
            out.push(Action::Answer(error.text()));
        }
    }

    /// Whether the client may say something; if not it is told so, or cut off.
    fn may_command(&mut self, now: Millis, out: &mut Vec<Action>) -> bool {
        if self.over {
            return false;
        }
        match self.allowance.take(now) {
            Verdict::Granted => return true,
            Verdict::Refused => {
                let message = format!(
                    "too many commands; send at most {PER_SECOND} a second, and several channels in one"
                );
                out.push(Action::Answer(Complaint::new(Code::Limit, message).text()));
            }
            Verdict::Flood => {
                self.over = true;
                out.push(Action::Close(CloseReason::Overload));
            }
        }
        false
    }

    /// Carries a command out, wholly or not at all. Returns the answer.
    fn obey(
        &mut self,
        command: Command,
        watches: &mut Many,
        out: &mut Vec<Action>,
    ) -> Result<Action, Complaint> {
        let mut changes = Vec::new();
        match command {
            Command::Ping => return Ok(Action::TextPong),
            Command::Subscribe(names) => {
                let channels = self.known(&names)?;
                let denied = channels.iter().find(|name| !self.grant.covers_channel(name));
                if let Some(name) = denied {
                    return Err(not_allowed(&format!("channel:{name}")));
                }
                self.subscriptions.subscribe(&channels, &mut changes).map_err(too_many)?;
            }
            Command::Unsubscribe(names) => {
                let channels = self.known(&names)?;
                self.subscriptions.unsubscribe(&channels, &mut changes);
            }
            Command::Join(room) => {
                let room = opening::room(&room)?;
                if !self.grant.covers_room(&room) {
                    return Err(not_allowed(&format!("room:{room}")));
                }
                self.subscriptions.join(room, &mut changes).map_err(too_many)?;
            }
            Command::Leave(room) => {
                self.subscriptions.leave(&opening::room(&room)?, &mut changes);
            }
        }
        out.extend(changes.into_iter().map(|change| match change {
            Change::Add(new) => {
                let topic = new.topic(self.id);
                Action::Subscribe(topic.clone(), watches.add(Place::new(Watch::of_channel(topic))))
            }
            Change::Remove(old) => {
                let topic = old.topic(self.id);
                watches.remove(&topic);
                Action::Unsubscribe(topic)
            }
        }));
        Ok(Action::Answer(self.subscribed()))
    }

    /// The channels of those names, all of which there must be.
    fn known(&self, names: &[String]) -> Result<Vec<Arc<str>>, Complaint> {
        if names.len() > MAX_SUBSCRIPTIONS {
            return Err(opening::too_many());
        }
        let channels = self.channels();
        let unknown: Vec<String> =
            names.iter().filter(|name| channels.named(name).is_none()).cloned().collect();
        match opening::unknown_channels(channels, &unknown) {
            Some(error) => Err(error),
            None => Ok(names.iter().filter_map(|name| channels.named(name)).cloned().collect()),
        }
    }

    fn channels(&self) -> &Channels {
        self.dialect.channels.as_ref().expect("a dialect whose clients subscribe has channels")
    }

    fn subscribed(&self) -> String {
        let (channels, rooms) = (self.subscriptions.channels(), self.subscriptions.rooms());
        ServerMessage::Subscribed { channels, rooms }.to_text()
    }
}

/// Error for a target that the token does not cover.
fn not_allowed(target: &str) -> Complaint {
    Complaint::new(Code::NotAllowed, format!("the token's claim watch does not cover {}", quote(target)))
}

fn too_many(_: TooMany) -> Complaint {
    opening::too_many()
}
