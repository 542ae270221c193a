//! The protocol state of a connection that subscribes to channels and rooms.

mod allowance;
mod command;
mod opening;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::json;

use self::allowance::{Allowance, PER_SECOND, Verdict};
use self::command::{Code, Command, Complaint, quote};
pub(in crate::relay) use self::opening::Opening;
use self::subscriptions::{Change, MAX_SUBSCRIPTIONS, Subscriptions, TooMany};
use super::pulse::{Beat, Pulse};
use super::{Action, Millis, PingInterval};
use crate::dialect::{Channels, CloseReason, Dialect, DialectId, Frame, Topic};
use crate::relay::auth::Grant;
use crate::wire::websocket;

/// One subscriber.
#[derive(Debug)]
pub(in crate::relay) struct ChannelSession {
    id: DialectId,
    dialect: Arc<Dialect>,
    subscriptions: Subscriptions,
    /// Errors in its URL, until they are told.
    complaints: Vec<Complaint>,
    /// Sequence of the newest event that was sent: one that matches several subscriptions is not newer the second time.
    sequence: u64,
    pulse: Pulse,
    allowance: Allowance,
    /// Targets that the token is restricted to.
    grant: Grant,
    /// End of the token's validity; `Millis::MAX` for none.
    expires: Millis,
    /// The session is being closed; input is ignored from now on.
    over: bool,
}

impl ChannelSession {
    /// A session that begins now, with what its URL asked for. `dialect` has channels; `phase` in 0..1 places its first
    /// ping in the interval.
    pub(in crate::relay) fn new(
        id: DialectId,
        dialect: Arc<Dialect>,
        opening: Opening,
        now: Millis,
        interval: PingInterval,
        phase: f64,
    ) -> Self {
        Self {
            id,
            dialect,
            subscriptions: opening.subscriptions,
            complaints: opening.complaints,
            sequence: 0,
            pulse: Pulse::new(now, interval, phase),
            allowance: Allowance::new(now),
            grant: Grant::default(),
            expires: Millis::MAX,
            over: false,
        }
    }

    /// Restricts the session to targets that the grant covers, until the token expires. Other subscriptions are
    /// removed, and the first of them is reported to the client.
    #[must_use]
    pub(in crate::relay) fn limited(mut self, grant: Grant, expires: Millis) -> Self {
        let denied = self.subscriptions.retain(|one| one.is_covered(&grant));
        self.complaints.extend(denied.first().map(|one| not_allowed(&one.to_string())));
        (self.grant, self.expires) = (grant, expires);
        self
    }

    /// Whether a token let it in.
    pub(in crate::relay) const fn has_token(&self) -> bool {
        self.expires != Millis::MAX
    }

    /// The dialect it speaks.
    pub(in crate::relay) const fn dialect(&self) -> DialectId {
        self.id
    }

    /// Everything it is subscribed to, each once.
    pub(in crate::relay) fn topics(&self) -> impl Iterator<Item = Topic> {
        self.subscriptions.iter().map(|subscription| subscription.topic(self.id))
    }

    /// Begins: subscribes to what the URL asked for, and says so. `time` as [`timestamp`](crate::dialect::timestamp) has it.
    pub(in crate::relay) fn begin(&mut self, time: &str, out: &mut Vec<Action>) {
        out.extend(self.topics().map(Action::Subscribe));
        let text = json!({
            "type": "connection",
            "status": "connected",
            "channels": self.subscriptions.channels(),
            "rooms": self.subscriptions.rooms(),
            "timestamp": time,
        });
        out.push(Action::Answer(websocket::text(text.to_string().as_bytes()).into()));
        out.extend(std::mem::take(&mut self.complaints).iter().map(|error| Action::Answer(error.frame())));
    }

    /// Whether an event is to be sent: it was not sent already.
    #[inline]
    pub(in crate::relay) const fn takes(&mut self, sequence: u64) -> bool {
        let new = sequence > self.sequence;
        if new {
            self.sequence = sequence;
        }
        new
    }

    /// Bytes came from the client, whatever they are.
    pub(in crate::relay) const fn heard(&mut self, now: Millis) {
        self.pulse.heard(now);
    }

    /// A text came.
    pub(in crate::relay) fn text(&mut self, text: &str, now: Millis, out: &mut Vec<Action>) {
        if self.may_command(now, out) {
            let answer = Command::parse(text).and_then(|command| self.obey(command, out));
            out.push(answer.unwrap_or_else(|error| Action::Answer(error.frame())));
        }
    }

    /// A binary message came, which is no command.
    pub(in crate::relay) fn binary(&mut self, now: Millis, out: &mut Vec<Action>) {
        if self.may_command(now, out) {
            let error = Complaint::new(Code::BadMessage, "a command is a text message; got a binary one");
            out.push(Action::Answer(error.frame()));
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
                out.push(Action::Answer(Complaint::new(Code::Limit, message).frame()));
            }
            Verdict::Flood => {
                self.over = true;
                out.push(Action::Close(CloseReason::Overload));
            }
        }
        false
    }

    /// Carries a command out, wholly or not at all. Returns the answer.
    fn obey(&mut self, command: Command, out: &mut Vec<Action>) -> Result<Action, Complaint> {
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
            Change::Add(new) => Action::Subscribe(new.topic(self.id)),
            Change::Remove(old) => Action::Unsubscribe(old.topic(self.id)),
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

    fn subscribed(&self) -> Frame {
        let (channels, rooms) = (self.subscriptions.channels(), self.subscriptions.rooms());
        let text = json!({ "type": "subscribed", "channels": channels, "rooms": rooms });
        websocket::text(text.to_string().as_bytes()).into()
    }

    /// A timer fired. Returns when the next one is wanted.
    pub(in crate::relay) fn timer(
        &mut self,
        now: Millis,
        interval: PingInterval,
        out: &mut Vec<Action>,
    ) -> Millis {
        let beat = self.pulse.beat(now, interval);
        if self.expires <= now && beat != Beat::Stale {
            out.push(Action::Close(CloseReason::Unauthorized));
            return Millis::MAX;
        }
        match beat {
            Beat::Stale => {
                out.push(Action::Close(CloseReason::Stale));
                return Millis::MAX;
            }
            Beat::Ping => out.extend([Action::Ping, Action::Heartbeat]),
            Beat::None => {}
        }
        self.deadline(interval)
    }

    /// When it next wants to be woken.
    pub(in crate::relay) fn deadline(&self, interval: PingInterval) -> Millis {
        self.pulse.deadline(interval).min(self.expires)
    }
}

/// Error for a target that the token does not cover.
fn not_allowed(target: &str) -> Complaint {
    Complaint::new(Code::NotAllowed, format!("the token's claim watch does not cover {}", quote(target)))
}

fn too_many(_: TooMany) -> Complaint {
    opening::too_many()
}
