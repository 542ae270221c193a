//! What a URL asks for.

use std::sync::Arc;

use super::command::{Code, Complaint, quote};
use super::subscriptions::{MAX_SUBSCRIPTIONS, Subscriptions};
use crate::dialect::{Channels, with_nearest};

/// Subscriptions to begin with, and what was wrong with the others.
#[derive(Debug, Default)]
pub(in crate::relay) struct Opening {
    pub(super) subscriptions: Subscriptions,
    pub(super) complaints: Vec<Complaint>,
}

impl Opening {
    /// Reads a socket's path, by the channel that belongs to it, and its query.
    ///
    /// `channels=a,b` adds to the path's channel; `campaign_id=123` narrows all of them to that room, and where there is
    /// no channel joins it. Of several rooms an event has to be in one. Channels that exist are subscribed to whatever
    /// the others are called, since the URL is the only thing that some clients ever say. A room that can be none
    /// narrows to nothing rather than not at all. More than there may be are none: nothing of the URL is applied. Of
    /// several errors of a sort the first is told.
    pub(in crate::relay) fn parse(known: &Channels, channel: Option<&Arc<str>>, query: &str) -> Self {
        let mut channels: Vec<Arc<str>> = channel.cloned().into_iter().collect();
        let mut rooms: Vec<Arc<str>> = Vec::new();
        let (mut unknown, mut bad_room, mut narrowed) = (Vec::new(), None, false);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if key == "channels" {
                for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    match known.named(name) {
                        Some(name) => push_new(&mut channels, Arc::clone(name)),
                        None => unknown.push(name.to_owned()),
                    }
                }
            } else if let Some((kind, _)) = known.rooms.iter().find(|(_, parameter)| *parameter == key) {
                narrowed = true;
                match room(&format!("{kind}:{value}")) {
                    // One more than there may be is enough to tell.
                    Ok(room) if rooms.len() <= MAX_SUBSCRIPTIONS => push_new(&mut rooms, room),
                    Ok(_) => {}
                    Err(complaint) => drop(bad_room.get_or_insert(complaint)),
                }
            }
        }
        let mut complaints: Vec<Complaint> =
            bad_room.into_iter().chain(unknown_channels(known, &unknown)).collect();
        let mut subscriptions = Subscriptions::default();
        let fits = if !narrowed {
            subscriptions.subscribe(&channels, &mut Vec::new())
        } else if channels.is_empty() {
            rooms.into_iter().try_for_each(|room| subscriptions.join(room, &mut Vec::new()))
        } else {
            subscriptions.narrow(&channels, &rooms)
        };
        if fits.is_err() {
            subscriptions = Subscriptions::default();
            complaints.push(too_many());
        }
        Self { subscriptions, complaints }
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, new: T) {
    if !list.contains(&new) {
        list.push(new);
    }
}

/// A room's name, if it can be one.
pub(super) fn room(name: &str) -> Result<Arc<str>, Complaint> {
    Channels::check_room(name).map_err(|error| Complaint::new(Code::BadMessage, error.to_string()))?;
    Ok(name.into())
}

/// What to say of names that are no channel's.
pub(super) fn unknown_channels(known: &Channels, names: &[String]) -> Option<Complaint> {
    let first = names.first()?;
    let more = match names.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!("there is no channel {}{more}", quote(first));
    let message = with_nearest(&message, first, known.names.iter().map(|name| &**name));
    Some(Complaint::new(Code::UnknownChannel, message))
}

/// What to say of one subscription more than there may be.
pub(super) fn too_many() -> Complaint {
    let message = format!(
        "a connection has at most {MAX_SUBSCRIPTIONS} channels and rooms; leave some first, or open another one"
    );
    Complaint::new(Code::Limit, message)
}
