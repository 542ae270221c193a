//! JSON pointers (RFC 6901) and the tree of them that a payload is scanned with.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::raw::Members;

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// A pointer into an object starts with a slash.
    #[error("a pointer starts with '/', as in \"/data/status\"; got {0:?}")]
    NoSlash(String),
    /// `~` is followed by `0` or `1`.
    #[error("'~' in a pointer stands only before 0 or 1; got {0:?}")]
    Escape(String),
}

/// A parsed pointer: the names on the way down. A name that is a number is an item's place where it meets an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Parses RFC 6901 text; the empty pointer (the whole document) is refused.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let rest = text.strip_prefix('/').ok_or_else(|| PointerError::NoSlash(text.to_owned()))?;
        let unescape = |part: &str| {
            let valid = part
                .match_indices('~')
                .all(|(at, _)| matches!(part.as_bytes().get(at + 1), Some(b'0' | b'1')));
            valid
                .then(|| part.replace("~1", "/").replace("~0", "~"))
                .ok_or_else(|| PointerError::Escape(text.to_owned()))
        };
        rest.split('/').map(unescape).collect::<Result<_, _>>().map(Self)
    }

    /// The names on the way down, at least one.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The same place seen from one object further out.
    #[must_use]
    pub fn under(&self, field: &str) -> Self {
        Self(std::iter::once(field.to_owned()).chain(self.0.iter().cloned()).collect())
    }
}

/// Where a wanted value lands: an index into the slots handed to [`Tree::scan`].
pub(super) type Slot = usize;

/// Pointers merged into a tree, so that a payload is read once for all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    slots: Vec<Slot>,
    children: Vec<(Box<str>, Tree)>,
}

/// The index that a name stands for in an array, as RFC 6901 writes one: without a sign or a leading zero.
fn index(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with(['0', '+']);
    name.parse().ok().filter(|_| canonical)
}

impl Tree {
    /// Adds a pointer whose value is wanted in `slot`.
    pub(super) fn want(&mut self, pointer: &Pointer, slot: Slot) {
        let mut node = self;
        for name in pointer.names() {
            let at = node.children.iter().position(|(child, _)| **child == **name).unwrap_or_else(|| {
                node.children.push((name.as_str().into(), Self::default()));
                node.children.len() - 1
            });
            node = &mut node.children[at].1;
        }
        node.slots.push(slot);
    }

    /// The subtree of the array item at index `nth`.
    fn item(&self, nth: usize) -> Option<&Tree> {
        self.children.iter().find(|(name, _)| index(name) == Some(nth)).map(|(_, child)| child)
    }

    /// Empties every slot of this place and what lies beneath.
    fn clear(&self, slots: &mut [Option<&RawValue>]) {
        for &slot in &self.slots {
            slots[slot] = None;
        }
        for (_, child) in &self.children {
            child.clear(slots);
        }
    }

    /// Hands over the raw text of every wanted value in `text`, in order, all those of a name that an object repeats.
    pub(super) fn each<'a>(&self, text: &'a str, found: &mut dyn FnMut(&'a str)) -> serde_json::Result<()> {
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => {
                for (key, value) in Members::read(text)?.iter() {
                    if let Some((_, child)) = self.children.iter().find(|(name, _)| **name == *key) {
                        child.one(value.get(), found)?;
                    }
                }
            }
            Some(b'[') => {
                for (nth, value) in serde_json::from_str::<Vec<&'a RawValue>>(text)?.into_iter().enumerate() {
                    if let Some(child) = self.item(nth) {
                        child.one(value.get(), found)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A value that is wanted whole, or holds some that are.
    fn one<'a>(&self, value: &'a str, found: &mut dyn FnMut(&'a str)) -> serde_json::Result<()> {
        if self.slots.is_empty() {
            return self.each(value, found);
        }
        found(value);
        Ok(())
    }

    /// Checks that all of `text` is JSON, and puts the raw text of every wanted value in its slot. Of a name that an object
    /// repeats the last one counts. Returns whether the document is an object.
    ///
    /// Reads it once. What that cannot read, a lone surrogate in a name for one, is read more slowly.
    pub(super) fn scan<'a>(
        &self,
        text: &'a str,
        slots: &mut [Option<&'a RawValue>],
    ) -> serde_json::Result<bool> {
        self.scan_once(text, slots).or_else(|_| {
            self.clear(slots);
            self.scan_raw(serde_json::from_str(text)?, slots)
        })
    }

    /// Reads a value that is JSON, and parses none of what it holds.
    fn scan_raw<'a>(
        &self,
        value: &'a RawValue,
        slots: &mut [Option<&'a RawValue>],
    ) -> serde_json::Result<bool> {
        if self.children.is_empty() {
            return Ok(value.get().starts_with('{'));
        }
        match value.get().as_bytes().first() {
            Some(b'{') => {
                for (key, value) in Members::read(value.get())?.iter() {
                    if let Some((_, child)) = self.children.iter().find(|(name, _)| **name == *key) {
                        child.take_raw(value, slots)?;
                    }
                }
                Ok(true)
            }
            Some(b'[') => {
                for (nth, value) in
                    serde_json::from_str::<Vec<&RawValue>>(value.get())?.into_iter().enumerate()
                {
                    if let Some(child) = self.item(nth) {
                        child.take_raw(value, slots)?;
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn take_raw<'a>(
        &self,
        value: &'a RawValue,
        slots: &mut [Option<&'a RawValue>],
    ) -> serde_json::Result<()> {
        self.clear(slots);
        for &slot in &self.slots {
            slots[slot] = Some(value);
        }
        self.scan_raw(value, slots).map(drop)
    }

    fn scan_once<'a>(&self, text: &'a str, slots: &mut [Option<&'a RawValue>]) -> serde_json::Result<bool> {
        let mut input = serde_json::Deserializer::from_str(text);
        let is_object = Scan { tree: self, slots }.deserialize(&mut input)?;
        input.end()?;
        Ok(is_object)
    }
}

struct Scan<'t, 's, 'a> {
    tree: &'t Tree,
    slots: &'s mut [Option<&'a RawValue>],
}

impl<'a> DeserializeSeed<'a> for Scan<'_, '_, 'a> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_any(self)
    }
}

/// Every value that is no object holds nothing that a pointer could name.
macro_rules! not_an_object {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<bool, E> { Ok(false) })*
    };
}

impl<'a> Visitor<'a> for Scan<'_, '_, 'a> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    not_an_object!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<bool, A::Error> {
        // Few pointers reach into arrays, and an array can be long.
        let wanted = self.tree.children.iter().filter_map(|(name, _)| index(name)).max();
        for nth in 0..wanted.map_or(0, |last| last.saturating_add(1)) {
            let is_more = match self.tree.item(nth) {
                Some(tree) => items.next_element_seed(Wanted { tree, slots: self.slots })?.is_some(),
                None => items.next_element::<IgnoredAny>()?.is_some(),
            };
            if !is_more {
                return Ok(false);
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let Some((_, child)) = self.tree.children.iter().find(|(name, _)| **name == *key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(Wanted { tree: child, slots: self.slots })?;
        }
        Ok(true)
    }
}

/// A value that is wanted, or holds one that is.
struct Wanted<'t, 's, 'a> {
    tree: &'t Tree,
    slots: &'s mut [Option<&'a RawValue>],
}

impl<'a> DeserializeSeed<'a> for Wanted<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, input: D) -> Result<(), D::Error> {
        let Self { tree, slots } = self;
        if !tree.children.is_empty() {
            // An object repeats this name: forget the values inside the earlier one.
            tree.clear(slots);
        }
        if tree.slots.is_empty() {
            return Scan { tree, slots }.deserialize(input).map(drop);
        }
        let raw = <&RawValue>::deserialize(input)?;
        for &slot in &tree.slots {
            slots[slot] = Some(raw);
        }
        if !tree.children.is_empty() {
            let mut inner = serde_json::Deserializer::from_str(raw.get());
            Scan { tree, slots }.deserialize(&mut inner).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

/// An object's key, borrowed unless it holds an escape.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan<'a>(pointers: &[&str], text: &'a str) -> serde_json::Result<(bool, Vec<Option<&'a str>>)> {
        let mut tree = Tree::default();
        for (slot, pointer) in pointers.iter().enumerate() {
            tree.want(&Pointer::parse(pointer).unwrap(), slot);
        }
        let mut slots = vec![None; pointers.len()];
        let is_object = tree.scan(text, &mut slots)?;
        Ok((is_object, slots.into_iter().map(|raw| raw.map(RawValue::get)).collect()))
    }

    #[test]
    fn wanted_values_are_found_at_any_depth_and_the_last_repeat_counts() {
        let text = r#"{"a":1,"b":{"c":"x","d":[1,{"c":2}]},"a":2,"e\u0066":true}"#;
        let found = scan(&["/a", "/b/c", "/b", "/ef", "/nope", "/b/d/c"], text).unwrap();
        let b = r#"{"c":"x","d":[1,{"c":2}]}"#;
        assert_eq!(found, (true, vec![Some("2"), Some("\"x\""), Some(b), Some("true"), None, None]));
    }

    #[test]
    fn of_a_repeated_object_only_the_last_counts() {
        let found = scan(&["/a/b", "/a/c"], r#"{"a":{"b":1,"c":2},"a":{"c":3}}"#).unwrap();
        assert_eq!(found, (true, vec![None, Some("3")]));
        assert_eq!(scan(&["/a/b"], r#"{"a":{"b":1},"a":5}"#).unwrap(), (true, vec![None]));
    }

    #[test]
    fn lone_surrogates_huge_numbers_and_depth_hide_no_value() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let text = format!(
            r#"{{"k\udce9":1,"m":{{"\uDCE9":{deep},"b":"\udce9"}},"n":1e400,"s":{{"b":1}},"s":"\ud800","d":{deep}}}"#
        );
        let found = scan(&["/m/b", "/n", "/s/b", "/d", "/s", "/n/b"], &text).unwrap();
        let expected = [Some(r#""\udce9""#), Some("1e400"), None, Some(&*deep), Some(r#""\ud800""#), None];
        assert_eq!(found, (true, expected.to_vec()));
        assert!(!scan(&["/a"], r#""\udce9""#).unwrap().0);
        assert!(!scan(&["/a"], "1e400").unwrap().0);
        let items = r#"{"\udce9":0,"a":["\udce9",{"b":2}]}"#;
        assert_eq!(
            scan(&["/a/0", "/a/1/b", "/a/2"], items).unwrap().1,
            [Some(r#""\udce9""#), Some("2"), None]
        );
        assert!(scan(&["/a"], r#"{"k\udce9":1,"a":tru}"#).is_err());
    }

    #[test]
    fn a_number_in_a_pointer_is_the_place_of_an_array_s_item() {
        let text = r#"{"a":[1,["x",{"b":2}],3],"0":"name"}"#;
        let found = scan(&["/a/0", "/a/1/1/b", "/a/3", "/a/1", "/0", "/a/01", "/a/-1"], text).unwrap().1;
        let inner = r#"["x",{"b":2}]"#;
        assert_eq!(
            found,
            [Some("1"), Some("2"), None, Some(inner), Some("\"name\""), None, None],
            "a name that is a number is a name in an object"
        );
        let repeated = scan(&["/a/0/b", "/a/1"], r#"{"a":[{"b":1},2],"a":[{}]}"#).unwrap().1;
        assert_eq!(repeated, [None, None]);
        assert!(scan(&["/a/5"], r#"{"a":[1,}"#).is_err());
        let far = format!("/a/{}", usize::MAX);
        assert_eq!(scan(&[&far], r#"{"a":[1]}"#).unwrap().1, [None]);
    }

    #[test]
    fn what_is_not_one_json_document_is_an_error() {
        for text in ["", "{", r#"{"a":1}x"#, r#"{"a":01}"#, r#"{"a":"#, "nul", r#"{"x":"\q"}"#] {
            assert!(scan(&["/a"], text).is_err(), "{text:?}");
        }
        assert!(!scan(&["/a"], "[1,2]").unwrap().0);
        assert!(!scan(&["/a"], "\"text\"").unwrap().0);
        assert!(!scan(&["/a"], "null").unwrap().0);
    }

    #[test]
    fn a_pointer_without_a_slash_or_with_a_bad_escape_is_refused() {
        assert_eq!(Pointer::parse("a"), Err(PointerError::NoSlash("a".to_owned())));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::Escape("/a~2".to_owned())));
        assert_eq!(Pointer::parse("/a~1b/~0").unwrap().names(), ["a/b", "~"]);
    }
}
