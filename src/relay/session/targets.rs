//! The part of a session that only clients of `/watch` have: named targets, their endings, their own refusals and tokens.

use super::timers::Timer;
use super::watch::Watches;
use super::{Action, Contract, Millis, Session, WatchId, watcher};
use crate::dialect::{CloseReason, Outcome, Topic, TopicKind};
use crate::jwt::Claims;
use crate::relay::auth::Whose;
use crate::relay::cursor::Since;
use crate::relay::event::Event;

impl Session {
    /// The message that lists all targets, of a client of `/watch`: where they have changed, and with the cursor once all
    /// are caught up.
    pub(in crate::relay) fn announce(&mut self, cursor: Option<String>) -> Option<String> {
        match (self.contract.as_deref_mut(), &self.watches) {
            (Some(Contract::Watch(client)), Watches::Many(watches)) => client.announce(watches, cursor),
            _ => None,
        }
    }

    /// Whether the list of all targets has changed since it was told.
    pub(in crate::relay) fn has_changed(&self) -> bool {
        matches!(self.contract.as_deref(), Some(Contract::Watch(watcher)) if watcher.has_changed())
    }

    /// Whether the list of all targets is to be told with the next cursor.
    pub(in crate::relay) fn owes_cursor(&self) -> bool {
        matches!(self.contract.as_deref(), Some(Contract::Watch(watcher)) if watcher.owes_cursor())
    }

    /// The message that a token is not good.
    pub(in crate::relay) fn bad_token(message: &str) -> Action {
        watcher::error(watcher::Code::NotAllowed, None, message)
    }

    /// A topic as the client knows it.
    pub(in crate::relay) fn name_of(&self, topic: &Topic) -> Option<String> {
        match self.contract.as_deref() {
            Some(Contract::Watch(watcher)) => Some(watcher.name(topic)),
            Some(Contract::Channels(_)) | None => None,
        }
    }

    /// The place among an event's topics of the one that the client knows the event by: its job, else the room that it
    /// watches, else the channel.
    pub(in crate::relay) fn best_topic(&self, event: &Event) -> usize {
        let Watches::Many(many) = &self.watches else { return 0 };
        let is_room = |topic: &Topic| topic.kind == TopicKind::Room;
        let room = event.topics.iter().position(|topic| is_room(topic) && many.find(topic).is_some());
        room.unwrap_or(0)
    }

    /// The message that a job has ended, where the contract has one.
    pub(in crate::relay) fn ended(&self, job: &Topic, outcome: Outcome) -> Option<String> {
        match self.contract.as_deref() {
            Some(Contract::Watch(watcher)) => Some(watcher.ended(job, outcome)),
            Some(Contract::Channels(_)) | None => None,
        }
    }

    /// Refuses the client a watch: the whole connection, or of `/watch` the target alone.
    pub(in crate::relay) fn refuse(&mut self, id: WatchId, reason: CloseReason, out: &mut Vec<Action>) {
        let topic = self.watches.get(id).map(|watch| watch.topic().clone());
        match (self.contract.as_deref_mut(), &mut self.watches, topic) {
            (Some(Contract::Watch(client)), Watches::Many(watches), Some(topic)) => {
                client.refuse(topic, reason, watches, out);
                self.tidy();
            }
            _ => out.push(Action::Close(reason)),
        }
    }

    /// Uses another token from now on, until it expires.
    pub(in crate::relay) fn renew(&mut self, claims: Claims, expires: Millis, out: &mut Vec<Action>) {
        if let (Some(Contract::Watch(client)), Watches::Many(watches)) =
            (self.contract.as_deref_mut(), &mut self.watches)
        {
            client.renew(claims, watches, out);
            self.timers.set(Timer::Token, expires);
            self.tidy();
        }
    }

    /// The token that the client brought was checked: what it said behind it is done now.
    pub(in crate::relay) fn checked_token(&mut self, out: &mut Vec<Action>) {
        if let (Some(Contract::Watch(client)), Watches::Many(watches)) =
            (self.contract.as_deref_mut(), &mut self.watches)
        {
            client.checked(watches, out);
            self.tidy();
        }
    }

    /// Forgets what belonged to watches that are no more. Their numbers may be others' at the next message.
    pub(super) fn tidy(&mut self) {
        if let Watches::Many(many) = &mut self.watches {
            for (id, place) in &mut many.ended {
                if let Some(reached) = self.resume.as_ref().and_then(|resume| resume.reached(*id)) {
                    place.watch.catch_up(reached);
                }
            }
        }
        if let Some(resume) = &mut self.resume {
            resume.keep(|id| self.watches.get(id).is_some());
        }
        self.recount();
    }

    /// Takes the beginning of a watch that was added, which is made once: the place that the client wants to go on from,
    /// and whether it wants the run so far.
    pub(in crate::relay) fn take_beginning(&mut self, id: WatchId) -> Option<(Option<Since>, bool)> {
        match &mut self.watches {
            Watches::Many(many) => many.get_mut(id)?.beginning.take(),
            Watches::One(_) => None,
        }
    }

    /// Whether a watch of all jobs of a dialect is sent the state of one of them: not of one that is watched by its name.
    pub(in crate::relay) fn lists(&self, id: WatchId, job: &Topic, owner: Option<&str>) -> bool {
        let Watches::Many(many) = &self.watches else { return false };
        many.get(id).is_some_and(|place| {
            let topic = place.watch.topic();
            topic.kind == TopicKind::Every
                && topic.dialect == job.dialect
                && place.watch.is_caught_up()
                && place.of.includes(owner)
                && many.find(job).is_none()
        })
    }

    /// Owners whose jobs' events a watch is for.
    pub(in crate::relay) fn whose(&self, id: WatchId) -> Whose {
        match &self.watches {
            Watches::Many(many) => many.get(id).map_or(Whose::Anybody, |place| place.of.clone()),
            Watches::One(_) => Whose::Anybody,
        }
    }
}
