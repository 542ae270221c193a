//! Places of clients that can come back: told when they are known, and lost with the source.

use std::sync::Arc;

use super::super::conn::Conn;
use super::super::message::LostSource;
use super::{Shared, State};
use crate::jwt::{self, Claims};
use crate::relay::auth::Refusal;
use crate::relay::cursor::{Loss, Start};
use crate::relay::encoding::Form;
use crate::relay::session::{Action, Session, Watch};
use crate::relay::slots::ConnId;
use crate::relay::streams::SharedTable;

impl Shared {
    /// Tells a client its place as soon as it is known: now, or behind an event that is on its way.
    pub(super) fn tell_place(&self, state: &mut State, id: ConnId) {
        let delivered = state.delivered;
        // Who came with a cursor and asked for none is told none.
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.encoding.has_cursors()) else { return };
        if let Some(sequence) = conn.session.news_of_place(delivered) {
            self.act(state, id, Action::Place(sequence));
        } else if conn.session.awaits_place() && !state.awaiting.contains(&id) {
            state.awaiting.push(id);
        }
    }

    /// Tells the client of an event stream the place from which it goes on, or that this is the beginning of what is kept:
    /// the stream begins with it.
    pub(super) fn begin_place(&self, state: &mut State, id: ConnId, start: Start) {
        let is_stream = |conn: &Conn| conn.encoding.form == Form::EventStream;
        if state.conns.get(id).is_some_and(is_stream) {
            self.act(state, id, Action::Begun(start));
        }
    }

    /// Tells the clients that wait for it their places, behind the events that were just delivered.
    pub(super) fn tell_places(&self, delivered: u64) {
        let mut state = self.state();
        state.delivered = state.delivered.max(delivered);
        if state.awaiting.is_empty() {
            return;
        }
        for id in std::mem::take(&mut state.awaiting) {
            self.tell_place(&mut state, id);
        }
    }

    /// Events of some sources may have been missed: tells each client that can come back and watches them.
    pub(in crate::relay::shard) fn lost(&self, lost: &LostSource, sequence: u64) {
        let mut state = self.state();
        state.delivered = state.delivered.max(sequence);
        let ids: Vec<ConnId> = state.conns.ids().collect();
        for id in ids {
            let Some(conn) = state.conns.get(id).filter(|conn| conn.encoding.has_cursors()) else { continue };
            let is_concerned = |watched: &Watch| {
                let topic = watched.topic();
                lost.dialects.contains(&topic.dialect) || state.streams.sources(topic).meets(lost.streams)
            };
            if !conn.session.watches().any(|(_, watched)| is_concerned(watched)) {
                continue;
            }
            // While missed events or a state are on their way, no place is true of everything.
            let place = state.conns.get_mut(id).and_then(|conn| conn.session.leap(sequence));
            self.act(&mut state, id, Action::Gap(Loss::SourceLost, None, place));
        }
    }

    /// Other streams are followed from now on.
    pub(in crate::relay::shard) fn followed(&self, streams: SharedTable) {
        let mut state = self.state();
        let State { conns, streams: known, .. } = &mut *state;
        *known = streams;
        let ids: Vec<ConnId> = conns.ids().collect();
        for id in ids {
            if let Some(conn) = conns.get_mut(id) {
                conn.session.forget_sources();
            }
        }
    }

    /// Checks a token that a client of `/watch` brought, and uses it from then on if it is good. What it is checked with
    /// may have to be fetched; meanwhile the client's messages wait.
    pub(super) fn check_token(&self, state: &mut State, id: ConnId, token: Box<str>) {
        let tokens = Arc::clone(&state.settings.tokens);
        let checked = tokens.check(&token);
        if !tokens.may_know_more(&checked) {
            return self.checked_token(state, id, checked);
        }
        let shared = self.clone();
        tokio::task::spawn_local(async move {
            let checked = tokens.check_again(Some(&token)).await;
            shared.checked_token(&mut shared.state(), id, checked);
        });
    }

    fn checked_token(&self, state: &mut State, id: ConnId, checked: Result<Claims, Refusal>) {
        let now = state.now();
        let mut actions = std::mem::take(&mut state.actions);
        if let Some(conn) = state.conns.get_mut(id) {
            match checked {
                Ok(claims) => {
                    let expires = now.saturating_add(claims.expires.saturating_sub(jwt::now()));
                    conn.session.renew(claims, expires, &mut actions);
                }
                Err(refusal) => actions.push(Session::bad_token(refusal.message())),
            }
            conn.session.checked_token(&mut actions);
        }
        self.act_all(state, id, actions);
        // A token that expires sooner than the last one, and guards of new watches.
        state.settle(id);
        self.announce(state, id);
    }

    /// Tells a client of `/watch` its targets, if they have changed: at once, with its place where that is known.
    pub(super) fn announce(&self, state: &mut State, id: ConnId) {
        let delivered = state.delivered;
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.session.has_changed()) else { return };
        if let Some(sequence) = conn.session.place(delivered) {
            conn.session.tell(sequence);
            return self.act(state, id, Action::Place(sequence));
        }
        if let Some(text) = conn.session.announce(None) {
            self.act(state, id, Action::Answer(text));
        }
        self.tell_place(state, id);
    }
}

impl State {
    /// Looks at a session whose watches have changed: whether it is caught up, and when it is to be woken.
    pub(super) fn settle(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.session.recount();
            let deadline = conn.session.deadline();
            self.wake(id, deadline);
        }
    }
}
