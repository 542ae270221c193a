//! Connections of a shard by number, with generations so that a number kept too long is noticed.

/// A connection's number. Stays unique when the place it names is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnId {
    index: u32,
    generation: u32,
}

/// A growing array of places that are used again once empty.
#[derive(Debug)]
pub(super) struct Slots<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Slots<T> {
    /// With no place yet.
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// Puts a value into an empty place.
    pub(super) fn insert(&mut self, value: T) -> ConnId {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            place.1 = Some(value);
            return ConnId { index, generation: place.0 };
        }
        let index = u32::try_from(self.places.len()).expect("fewer sockets than a u32 counts");
        self.places.push((0, Some(value)));
        ConnId { index, generation: 0 }
    }

    /// The value, if it is still there.
    pub(super) fn get(&self, id: ConnId) -> Option<&T> {
        self.places.get(id.index as usize).filter(|place| place.0 == id.generation)?.1.as_ref()
    }

    /// The value, if it is still there, to change.
    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        self.places.get_mut(id.index as usize).filter(|place| place.0 == id.generation)?.1.as_mut()
    }

    /// Takes the value out and frees its place.
    pub(super) fn remove(&mut self, id: ConnId) -> Option<T> {
        let place = self.places.get_mut(id.index as usize).filter(|place| place.0 == id.generation)?;
        let value = place.1.take()?;
        place.0 = place.0.wrapping_add(1);
        self.free.push(id.index);
        self.len -= 1;
        Some(value)
    }

    /// How many values there are.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.1.as_ref())
    }

    /// The ids of all values.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.places.iter().enumerate().filter(|(_, place)| place.1.is_some()).map(|(index, place)| ConnId {
            index: u32::try_from(index).expect("insert counted them"),
            generation: place.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_the_new_tenant() {
        let mut slots = Slots::new();
        let old = slots.insert("a");
        assert_eq!(slots.remove(old), Some("a"));
        let new = slots.insert("b");
        assert_eq!(slots.remove(old), None);
        assert_eq!((slots.get(old), slots.get(new)), (None, Some(&"b")));
        assert_eq!(slots.ids().collect::<Vec<_>>(), [new]);
        assert_eq!(slots.len(), 1);
    }
}
