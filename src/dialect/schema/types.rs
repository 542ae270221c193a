//! Types of JSON values in dialects, independent of the language in which they are written.

use serde_json::Value;

/// A type of values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ValueType {
    /// Any value.
    Unknown,
    /// `null`.
    Null,
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(Vec<String>),
    /// Any text except these.
    NoneOf(Vec<String>),
    /// `true` or `false`.
    Flag,
    /// A whole number within limits.
    Whole { min: Option<f64>, max: Option<f64> },
    /// A number within limits.
    Number { min: Option<f64>, max: Option<f64> },
    /// An array of values of one type.
    List(Box<ValueType>),
    /// An object.
    Object(ObjectType),
    /// The type with this name.
    Named(String),
    /// A value of at least one of these types.
    Either(Vec<ValueType>),
    /// A value of all types with these names.
    Both(Vec<String>),
}

/// Type of an object. Further attributes are always allowed: workers add some, and the relay passes them on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ObjectType {
    /// Whether most attributes are unknown.
    pub(super) free: bool,
    /// Attributes in the order in which a publisher writes them.
    pub(super) attributes: Vec<Attribute>,
}

/// Attribute of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// Description; may be empty.
    pub(super) about: String,
    /// Whether the attribute is always present.
    pub(super) required: bool,
    pub(super) value: ValueType,
}

/// A named type.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) name: String,
    /// Description for people.
    pub(super) about: String,
    pub(super) value: ValueType,
}

impl ValueType {
    /// Type of a value and of similar values.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Flag,
            Value::Number(number) if number.is_f64() => Self::Number { min: None, max: None },
            Value::Number(_) => Self::Whole { min: None, max: None },
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List(Box::new(Self::Unknown)),
            Value::Object(_) => Self::Object(ObjectType::free()),
        }
    }

    /// Type of exactly this text.
    pub(super) fn exactly(text: &str) -> Self {
        Self::OneOf(vec![text.to_owned()])
    }

    /// Type of values of any of these types, without duplicates. Several lists of texts become one list.
    pub(super) fn any(types: impl IntoIterator<Item = Self>) -> Self {
        let mut all: Vec<Self> = Vec::new();
        let mut words: Option<Vec<String>> = None;
        for one in types.into_iter().flat_map(Self::parts) {
            match one {
                Self::OneOf(more) => {
                    if words.is_none() {
                        // The list of texts is filled in at this place once all texts are known.
                        all.push(Self::OneOf(Vec::new()));
                    }
                    let words = words.get_or_insert_default();
                    for word in more {
                        if !words.contains(&word) {
                            words.push(word);
                        }
                    }
                }
                one if all.contains(&one) => {}
                one => all.push(one),
            }
        }
        if let Some(list) = all.iter_mut().find(|one| matches!(one, Self::OneOf(_))) {
            *list = Self::OneOf(words.unwrap_or_default());
        }
        if all.contains(&Self::Unknown) {
            return Self::Unknown;
        }
        if all.contains(&Self::Text) {
            all.retain(|one| !matches!(one, Self::OneOf(_) | Self::NoneOf(_)));
        }
        match all.len() {
            1 => all.remove(0),
            _ => Self::Either(all),
        }
    }

    /// This type, or null.
    pub(super) fn or_null(self) -> Self {
        Self::any([self, Self::Null])
    }

    fn parts(self) -> Vec<Self> {
        match self {
            Self::Either(types) => types,
            one => vec![one],
        }
    }
}

/// Object whose attribute `type` has this text.
pub(super) fn tagged(kind: &str, attributes: impl IntoIterator<Item = Attribute>) -> ValueType {
    let first = Attribute::always("type", ValueType::exactly(kind));
    ValueType::Object(ObjectType::of([first].into_iter().chain(attributes)))
}

impl Attribute {
    /// Makes an attribute that is always present.
    pub(super) fn always(name: &str, value: ValueType) -> Self {
        Self { name: name.to_owned(), about: String::new(), required: true, value }
    }

    /// Makes an attribute that may be absent.
    pub(super) fn sometimes(name: &str, value: ValueType) -> Self {
        Self { required: false, ..Self::always(name, value) }
    }

    /// Adds a description.
    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }
}

impl ObjectType {
    /// An object with these attributes.
    pub(super) fn of(attributes: impl IntoIterator<Item = Attribute>) -> Self {
        Self { free: false, attributes: attributes.into_iter().collect() }
    }

    /// Makes an object type without known attributes.
    pub(super) fn free() -> Self {
        Self { free: true, attributes: Vec::new() }
    }

    /// Finds an attribute by its name.
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Adds an attribute at a place and makes the objects around it. Where the attribute is required, the objects become
    /// required too.
    pub(super) fn put(&mut self, way: &[String], mut attribute: Attribute) {
        let Some((first, rest)) = way.split_first() else { return };
        let at = self.attributes.iter().position(|known| known.name == *first);
        if rest.is_empty() {
            attribute.name.clone_from(first);
            match at {
                // An attribute inside of this object was added first.
                Some(at) => self.attributes[at].absorb(attribute),
                None => self.attributes.push(attribute),
            }
            return;
        }
        let at = at.unwrap_or_else(|| {
            let object = ValueType::Object(Self::default());
            self.attributes.push(Attribute::sometimes(first, object));
            self.attributes.len() - 1
        });
        let outer = &mut self.attributes[at];
        outer.required |= attribute.required;
        if let Some(object) = outer.value.object_mut() {
            object.put(rest, attribute);
        }
    }

    /// Type of the value at a place, if known.
    pub(super) fn at(&self, way: &[String]) -> Option<&ValueType> {
        let (first, rest) = way.split_first()?;
        let value = &self.attribute(first)?.value;
        if rest.is_empty() { Some(value) } else { value.object()?.at(rest) }
    }
}

impl Attribute {
    /// Takes over the properties of an object whose inner attributes were added first.
    fn absorb(&mut self, object: Self) {
        self.about = object.about;
        self.required |= object.required;
        if let Some(inner) = self.value.object_mut() {
            inner.free = true;
        }
        if let ValueType::Either(types) = object.value
            && types.contains(&ValueType::Null)
        {
            self.value = self.value.clone().or_null();
        }
    }
}

impl ValueType {
    fn object(&self) -> Option<&ObjectType> {
        match self {
            Self::Object(object) => Some(object),
            Self::Either(types) => types.iter().find_map(Self::object),
            _ => None,
        }
    }

    fn object_mut(&mut self) -> Option<&mut ObjectType> {
        match self {
            Self::Object(object) => Some(object),
            Self::Either(types) => types.iter_mut().find_map(Self::object_mut),
            _ => None,
        }
    }
}
