//! Channels and rooms: dialects whose clients subscribe to a stream of events of many resources, not to one job.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::error::{Fault, pointer};
use super::pointer::Tree;
use super::raw::{exact, text};
use super::slip::Slips;
use super::spec::{ChannelsSpec, Spec};
use super::{Dialect, Kind, MAX_JOB_BYTES, Undecodable, suggest};

/// What follows the prefix in a dialect's `channel`.
const PLACE: &str = "{channel}";

/// Kinds of rooms at most; each is a pointer that every payload is read for.
const MAX_ROOMS: usize = 16;

/// Slot of the kind; those of the rooms follow.
const KIND: usize = 0;

/// What a client can subscribe to.
#[derive(Debug, Clone)]
pub struct Channels {
    /// Names of the channels, as clients write them.
    pub names: Vec<Arc<str>>,
    /// Paths of sockets and the channel that each subscribes to at once; `None` on the dialect's own route.
    pub routes: Vec<(String, Option<Arc<str>>)>,
    /// Kinds of resources that have rooms, with the query parameter that narrows a subscription to one: `campaign` and
    /// `campaign_id`.
    pub rooms: Vec<(String, String)>,
    /// Kind of the message in which a server complains of a command.
    pub complaint: Option<String>,
    own: Vec<String>,
    types: Vec<Type>,
    prefix: String,
    tree: Tree,
}

#[derive(Debug, Clone)]
struct Type {
    name: String,
    channel: Arc<str>,
    /// Which of the rooms.
    room: Option<usize>,
}

/// Why a text is no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// It has no colon, or nothing before or behind it.
    #[error("a room is KIND:ID, as in campaign:123; got '{0}'")]
    Shape(String),
    /// It is longer than an id may be.
    #[error("a room has at most {MAX_JOB_BYTES} bytes")]
    TooLong,
    /// It has a control character.
    #[error("a room has no control character")]
    Character,
}

/// What a publication on a channel says, as far as a relay wants to know; borrows from the payload.
#[derive(Debug)]
pub struct ChannelEvent<'a> {
    /// The channel's name, without the prefix.
    pub channel: &'a Arc<str>,
    /// The kind, where the dialect knows it.
    pub kind: Option<&'a Kind>,
    /// The kind as the payload spells it; empty where it names none.
    pub kind_name: Cow<'a, str>,
    /// The rooms that the event belongs to, each once: `campaign:123`.
    pub rooms: Vec<String>,
    /// The room of the resource that the event is about: one of `rooms`.
    pub resource: Option<String>,
    /// Mistakes of the worker that do not prevent relaying.
    pub slips: Slips,
}

/// What one look at a payload finds.
struct Read<'a> {
    raw_kind: Option<&'a RawValue>,
    kind: Option<Cow<'a, str>>,
    rooms: Vec<String>,
    resource: Option<String>,
}

impl Channels {
    pub(super) fn compile(spec: &Spec, channels: &ChannelsSpec) -> Result<Self, Fault> {
        let prefix = spec.channel.strip_suffix(PLACE).filter(|prefix| !prefix.contains(['{', '}']));
        let prefix = prefix.ok_or_else(|| {
            Fault::at(&["channel"], "{channel} stands at the end, as in \"platform:{channel}\"")
        })?;
        if channels.names.is_empty() || channels.names.iter().any(String::is_empty) {
            return Err(Fault::at(
                &["channels", "names"],
                "a dialect of channels has at least one, with a name",
            ));
        }
        if channels.rooms.len() > MAX_ROOMS {
            return Err(Fault::at(&["channels", "rooms"], format!("at most {MAX_ROOMS} kinds of rooms")));
        }
        let names: Vec<Arc<str>> = channels.names.iter().map(|name| Arc::from(name.as_str())).collect();
        let find = |name: &str, path: &[&str]| {
            names.iter().find(|known| ***known == *name).cloned().ok_or_else(|| {
                let message = format!("there is no channel '{name}'");
                Fault::at(path, suggest::with_nearest(&message, name, names.iter().map(|name| &**name)))
            })
        };
        let mut tree = Tree::default();
        tree.want(&pointer(&spec.pointers.kind, &["pointers", "kind"])?, KIND);
        let mut rooms = Vec::new();
        for (nth, (kind, at)) in channels.rooms.iter().enumerate() {
            let path = ["channels", "rooms", kind.as_str()];
            let at = pointer(at, &path)?;
            tree.want(&at, KIND + 1 + nth);
            let parameter = at.names().last().cloned().unwrap_or_default();
            rooms.push((kind.clone(), parameter));
        }
        let mut routes = vec![(spec.route.clone(), None)];
        for (route, channel) in &channels.routes {
            routes.push((route.clone(), Some(find(channel, &["channels", "routes", route])?)));
        }
        for (route, _) in &routes {
            let plain = route.starts_with('/') && route.bytes().all(|b| b.is_ascii_graphic());
            if !plain || route.contains(['{', '}', '?', '#', '*']) {
                return Err(Fault::at(
                    &["channels", "routes"],
                    format!("a route is a plain path; got {route:?}"),
                ));
            }
        }
        let mut types = Vec::new();
        for (name, about) in &channels.types {
            let path = ["channels", "types", name.as_str()];
            let room = match &about.room {
                None => None,
                Some(kind) => Some(rooms.iter().position(|(known, _)| known == kind).ok_or_else(|| {
                    let known = rooms.iter().map(|(kind, _)| kind.as_str());
                    let message = format!("there are no rooms of '{kind}'");
                    Fault::at(&path, suggest::with_nearest(&message, kind, known))
                })?),
            };
            types.push(Type { name: name.clone(), channel: find(&about.channel, &path)?, room });
        }
        let (own, complaint) = (channels.own.clone(), channels.complaint.clone());
        Ok(Self { names, routes, rooms, complaint, own, types, prefix: prefix.to_owned(), tree })
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) {
        prefix.clone_into(&mut self.prefix);
    }

    /// What stands before the names on Redis.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A channel's name on Redis.
    pub fn redis_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn redis_names(&self) -> Vec<String> {
        self.names.iter().map(|name| self.redis_name(name)).collect()
    }

    /// The channel of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<str>> {
        self.names.iter().find(|known| ***known == *name)
    }

    /// Whether a message of this kind is one that a server sends of itself, and no event.
    pub fn is_own(&self, kind: &str) -> bool {
        self.own.iter().any(|own| own == kind)
    }

    /// The name of the field that holds the id of a resource of this kind.
    pub fn id_field(&self, room: &str) -> Option<&str> {
        self.rooms.iter().find(|(kind, _)| kind == room).map(|(_, field)| field.as_str())
    }

    /// The channel that an event of this kind is published on, by what stands before its colon.
    pub fn of_kind(&self, kind: &str) -> Option<&Arc<str>> {
        self.about(kind).map(|about| &about.channel)
    }

    /// The kind of resource that an event of this kind is about.
    pub fn room_of_kind(&self, kind: &str) -> Option<&str> {
        let nth = self.about(kind)?.room?;
        self.rooms.get(nth).map(|(room, _)| room.as_str())
    }

    fn about(&self, kind: &str) -> Option<&Type> {
        let (before, _) = kind.split_once(':')?;
        self.types.iter().find(|about| about.name == before)
    }

    /// Checks a room's name. Any kind will do: a room that no event belongs to is just empty.
    pub fn check_room(room: &str) -> Result<(), RoomError> {
        let shape = || RoomError::Shape(super::fields::shorten(room));
        let (kind, id) = room.split_once(':').ok_or_else(shape)?;
        if kind.is_empty() || id.is_empty() {
            return Err(shape());
        }
        if room.len() > MAX_JOB_BYTES {
            return Err(RoomError::TooLong);
        }
        if room.chars().any(char::is_control) { Err(RoomError::Character) } else { Ok(()) }
    }

    /// The rooms that a payload's ids name, and which of them its kind is about.
    fn rooms_in<'a>(&self, payload: &'a str) -> Result<Read<'a>, Undecodable> {
        let mut slots: [Option<&RawValue>; KIND + 1 + MAX_ROOMS] = [None; KIND + 1 + MAX_ROOMS];
        match self.tree.scan(payload, &mut slots) {
            Err(_) => return Err(Undecodable::NotJson),
            Ok(false) => return Err(Undecodable::NotObject),
            Ok(true) => {}
        }
        let kind = slots[KIND].and_then(text);
        let own = kind.as_deref().and_then(|kind| self.about(kind)).and_then(|about| about.room);
        let (mut rooms, mut resource) = (Vec::new(), None);
        for (nth, (name, _)) in self.rooms.iter().enumerate() {
            let Some(room) = slots[KIND + 1 + nth].and_then(id).map(|id| format!("{name}:{id}")) else {
                continue;
            };
            if Self::check_room(&room).is_err() {
                continue;
            }
            if own == Some(nth) {
                resource = Some(room.clone());
            }
            rooms.push(room);
        }
        let resource = resource.or_else(|| rooms.first().cloned());
        Ok(Read { raw_kind: slots[KIND], kind, rooms, resource })
    }

    /// The resource that a message is about.
    pub(super) fn resource_in(&self, message: &str) -> Option<String> {
        self.rooms_in(message).ok()?.resource
    }
}

/// An id as rooms spell it: a whole number or text.
fn id(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let digits = json.strip_prefix('-').unwrap_or(json);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Cow::Borrowed(json));
    }
    exact(raw).filter(|text| !text.is_empty())
}

impl Dialect {
    /// Decodes a publication that came on one of the dialect's channels. Reads the payload once.
    pub fn decode_channel<'a>(
        &'a self,
        channel: &[u8],
        payload: &'a [u8],
    ) -> Result<ChannelEvent<'a>, Undecodable> {
        let channels = self.channels.as_ref().ok_or(Undecodable::NoJob)?;
        let name = channel.strip_prefix(channels.prefix.as_bytes()).ok_or(Undecodable::NoJob)?;
        let channel =
            channels.names.iter().find(|known| known.as_bytes() == name).ok_or(Undecodable::NoJob)?;
        let payload = std::str::from_utf8(payload).map_err(|_| Undecodable::NotUtf8)?;
        let Read { raw_kind, kind, rooms, resource } = channels.rooms_in(payload)?;
        let (kind_name, mut slips) = (kind.unwrap_or_default(), Slips::default());
        let kind = self.kind(&kind_name);
        if kind.is_none() {
            slips.of_kind(raw_kind);
        }
        Ok(ChannelEvent { channel, kind, kind_name, rooms, resource, slips })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn dialect() -> Arc<Dialect> {
        Arc::clone(Dialects::builtin().named("channels").unwrap().1)
    }

    #[test]
    fn an_event_is_in_the_rooms_that_its_ids_name_and_about_the_one_of_its_type() {
        let dialect = dialect();
        let payload = br#"{"type":"email:opened","campaign_id":7,"email_id":5,"lead_id":1.5,"demo_id":null}"#;
        let event = dialect.decode_channel(b"fliptechpro:emails", payload).unwrap();
        assert_eq!((&**event.channel, &*event.kind_name), ("emails", "email:opened"));
        assert_eq!(event.rooms, ["campaign:7", "email:5"]);
        assert_eq!(event.resource.as_deref(), Some("email:5"));
        assert!(!event.kind.unwrap().conflatable);
    }

    #[test]
    fn what_the_relay_does_not_know_is_relayed_and_read_by_its_pattern() {
        let dialect = dialect();
        let decode = |payload: &'static str| {
            let event = dialect.decode_channel(b"fliptechpro:conversations", payload.as_bytes()).unwrap();
            (event.kind.map(|kind| (kind.conflatable, kind.ends.is_some())), event.resource)
        };
        assert_eq!(
            decode(r#"{"type":"export:progress","scraper_id":"s"}"#),
            (Some((true, false)), Some("scraper:s".into()))
        );
        assert_eq!(decode(r#"{"type":"export:failed"}"#), (Some((false, true)), None));
        assert_eq!(decode(r#"{"type":"campaign:email_failed"}"#), (Some((false, false)), None));
        assert_eq!(decode(r#"{"type":"x"}"#), (None, None));
        assert_eq!(decode("{}"), (None, None));
    }

    #[test]
    fn the_contract_has_thirty_eight_names_on_seven_channels() {
        let dialect = dialect();
        let channels = dialect.channels.as_ref().unwrap();
        assert_eq!(dialect.catalogue.events.len(), 36);
        assert_eq!(dialect.kinds().iter().filter(|kind| !kind.name.contains('*')).count(), 38);
        for event in &dialect.catalogue.events {
            assert!(channels.of_kind(&event.name).is_some(), "{}", event.name);
        }
        assert_eq!(channels.of_kind("scraper:progress").unwrap().as_ref(), "scrapers");
        assert_eq!(channels.routes.len(), 7);
        let on_route =
            |path: &str| channels.routes.iter().find(|(route, _)| route == path).unwrap().1.as_deref();
        assert_eq!((on_route("/ws/scraper"), on_route("/ws")), (Some("scrapers"), None));
    }

    #[test]
    fn a_room_is_a_kind_and_an_id() {
        for good in ["campaign:123", "task:a:b", "x:ä"] {
            assert_eq!(Channels::check_room(good), Ok(()), "{good}");
        }
        for bad in ["campaign", ":1", "campaign:", "", "a:\n"] {
            assert!(Channels::check_room(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Channels::check_room(&format!("a:{}", "1".repeat(256))), Err(RoomError::TooLong));
    }

    #[test]
    fn another_prefix_moves_all_channels() {
        let all = Dialects::builtin().with_channel_prefix("acme.").unwrap();
        assert_eq!(&*all.on_channel("acme.leads").unwrap().1.name, "channels");
        assert!(all.on_channel("fliptechpro:leads").is_none());
        assert!(Dialects::builtin().with_channel_prefix("task_updates:").is_err());
    }
}
