//! A client's MessagePack to JSON text.

use rmp::Marker;
use serde::Serialize;

use super::MAX_DEPTH;

/// Why bytes from a client are no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It ends too early, or something follows it, or a string is not UTF-8, or the byte 0xc1 is in it.
    #[error("is no messagepack")]
    Broken,
    /// Deeper than [`MAX_DEPTH`].
    #[error("nests too deep")]
    TooDeep,
    /// Binary, an extension, a key that is no string, a number that is none or infinite.
    #[error("has a value that json has not")]
    NoJson,
}

/// The JSON text of one MessagePack value, without spaces. Members stay in their order, duplicate keys too.
///
/// The announced size of a map, array or string reserves nothing. The text is at most about six times as long as the
/// bytes: where each is a control character, or a null.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, Malformed> {
    let (mut input, mut json) = (Input { rest: bytes }, Vec::new());
    input.value(MAX_DEPTH, &mut json)?;
    if !input.rest.is_empty() {
        return Err(Malformed::Broken);
    }
    String::from_utf8(json).map_err(|_| Malformed::Broken)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Calls itself for what is inside, at most `depth` times deep.
    fn value(&mut self, depth: usize, json: &mut Vec<u8>) -> Result<(), Malformed> {
        match self.marker()? {
            Marker::Null => json.extend(b"null"),
            Marker::False => json.extend(b"false"),
            Marker::True => json.extend(b"true"),
            Marker::FixPos(value) => print(json, &value),
            Marker::FixNeg(value) => print(json, &value),
            Marker::U8 => print(json, &u8::from_be_bytes(self.take()?)),
            Marker::U16 => print(json, &u16::from_be_bytes(self.take()?)),
            Marker::U32 => print(json, &u32::from_be_bytes(self.take()?)),
            Marker::U64 => print(json, &u64::from_be_bytes(self.take()?)),
            Marker::I8 => print(json, &i8::from_be_bytes(self.take()?)),
            Marker::I16 => print(json, &i16::from_be_bytes(self.take()?)),
            Marker::I32 => print(json, &i32::from_be_bytes(self.take()?)),
            Marker::I64 => print(json, &i64::from_be_bytes(self.take()?)),
            Marker::F32 => float(json, f32::from_be_bytes(self.take()?).into())?,
            Marker::F64 => float(json, f64::from_be_bytes(self.take()?))?,
            Marker::FixArray(count) => self.array(count.into(), depth, json)?,
            Marker::Array16 => (self.length16()).and_then(|count| self.array(count, depth, json))?,
            Marker::Array32 => (self.length32()).and_then(|count| self.array(count, depth, json))?,
            Marker::FixMap(count) => self.map(count.into(), depth, json)?,
            Marker::Map16 => (self.length16()).and_then(|count| self.map(count, depth, json))?,
            Marker::Map32 => (self.length32()).and_then(|count| self.map(count, depth, json))?,
            Marker::Reserved => return Err(Malformed::Broken),
            marker => print(json, self.string(marker)?),
        }
        Ok(())
    }

    fn array(&mut self, count: u32, depth: usize, json: &mut Vec<u8>) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::TooDeep)?;
        json.push(b'[');
        for nth in 0..count {
            if nth > 0 {
                json.push(b',');
            }
            self.value(depth, json)?;
        }
        json.push(b']');
        Ok(())
    }

    fn map(&mut self, count: u32, depth: usize, json: &mut Vec<u8>) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed::TooDeep)?;
        json.push(b'{');
        for nth in 0..count {
            if nth > 0 {
                json.push(b',');
            }
            let marker = self.marker()?;
            print(json, self.string(marker)?);
            json.push(b':');
            self.value(depth, json)?;
        }
        json.push(b'}');
        Ok(())
    }

    /// The string of this marker; another value is none that JSON has at its place.
    fn string(&mut self, marker: Marker) -> Result<&'a str, Malformed> {
        let length = match marker {
            Marker::FixStr(length) => length.into(),
            Marker::Str8 => u8::from_be_bytes(self.take()?).into(),
            Marker::Str16 => self.length16()?,
            Marker::Str32 => self.length32()?,
            Marker::Reserved => return Err(Malformed::Broken),
            _ => return Err(Malformed::NoJson),
        };
        let length = usize::try_from(length).map_err(|_| Malformed::Broken)?;
        let (string, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Broken)?;
        self.rest = rest;
        str::from_utf8(string).map_err(|_| Malformed::Broken)
    }

    fn length16(&mut self) -> Result<u32, Malformed> {
        self.take().map(|bytes| u16::from_be_bytes(bytes).into())
    }

    fn length32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_be_bytes)
    }

    fn marker(&mut self) -> Result<Marker, Malformed> {
        self.take::<1>().map(|[byte]| Marker::from_u8(byte))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed::Broken)?;
        self.rest = rest;
        Ok(*taken)
    }
}

fn float(json: &mut Vec<u8>, value: f64) -> Result<(), Malformed> {
    if !value.is_finite() {
        return Err(Malformed::NoJson);
    }
    print(json, &value);
    Ok(())
}

fn print(json: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(json, value).expect("numbers and strings always print");
}
