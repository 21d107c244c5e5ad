//! Protocol buffers by hand: a borrowing reader of fields and a writer that appends them.
//!
//! The messages of remote write, OTLP and the exposition format are few and stable, so each decoder matches on field
//! numbers itself. That borrows strings from the request instead of copying them, which is what the ingest path
//! spends its time on otherwise.
//!
//! Invariants: the reader never looks outside its slice and allocates nothing; an unknown field is skipped, a field of
//! a known number with the wrong wire type is an error; groups (wire types 3 and 4) are refused, no message here has
//! them.

/// Where and why a message does not parse. Offsets count from the start of the innermost message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    #[error("message ends inside a field at byte {at}")]
    Truncated { at: usize },
    #[error("varint at byte {at} is longer than 10 bytes")]
    VarintTooLong { at: usize },
    #[error("field at byte {at} has number 0")]
    ZeroFieldNumber { at: usize },
    #[error("field {number} at byte {at} has wire type {wire_type}, which is not in use")]
    UnknownWireType { number: u32, wire_type: u8, at: usize },
    #[error("field {number} claims {length} bytes, {left} are left")]
    LengthBeyondEnd { number: u32, length: u64, left: usize },
    #[error("field {number} does not have the type {expected}")]
    WrongType { number: u32, expected: &'static str },
    #[error("field {number} is not valid UTF-8")]
    NotUtf8 { number: u32 },
    #[error("packed field {number} is cut off")]
    PackedTruncated { number: u32 },
}

/// What a field holds, by wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
}

/// Reads the fields of one message in order.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How far into the message the reader has come.
    pub fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, ProtobufError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        let number = (tag >> 3) as u32;
        if number == 0 || tag > u64::from(u32::MAX) {
            return Err(ProtobufError::ZeroFieldNumber { at: start });
        }
        let value = match (tag & 7) as u8 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.delimited(number)?),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            wire_type => {
                return Err(ProtobufError::UnknownWireType {
                    number,
                    wire_type,
                    at: start,
                });
            }
        };
        Ok(Some(Field { number, value }))
    }

    /// A bare varint, as between the messages of a delimited stream.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, ProtobufError> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    /// `length` bytes, as one message of a delimited stream.
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], ProtobufError> {
        let left = self.bytes.len() - self.at;
        if length > left as u64 {
            return Err(ProtobufError::Truncated { at: self.at });
        }
        let part = &self.bytes[self.at..self.at + length as usize];
        self.at += length as usize;
        Ok(part)
    }

    /// Steps over whole fields of this one-byte tag and a one-byte length, and counts them. A shortcut for long runs of
    /// small messages; where it stops, [`Reader::next_field`] goes on.
    #[inline]
    pub fn skip_short_fields(&mut self, tag: u8) -> usize {
        let mut count = 0;
        while let Some([found, length]) = self.bytes[self.at..].first_chunk::<2>() {
            let next = self.at + 2 + usize::from(*length);
            if *found != tag || *length >= 0x80 || next > self.bytes.len() {
                break;
            }
            self.at = next;
            count += 1;
        }
        count
    }

    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn long_varint(&mut self) -> Result<u64, ProtobufError> {
        let start = self.at;
        let mut result = 0u64;
        for (i, byte) in self.bytes[start..].iter().take(10).enumerate() {
            result |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.at = start + i + 1;
                return Ok(result);
            }
        }
        if self.bytes.len() - start < 10 {
            Err(ProtobufError::Truncated { at: start })
        } else {
            Err(ProtobufError::VarintTooLong { at: start })
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let Some(array) = self.bytes[self.at..].first_chunk::<N>() else {
            return Err(ProtobufError::Truncated { at: self.at });
        };
        self.at += N;
        Ok(*array)
    }

    #[inline]
    fn delimited(&mut self, number: u32) -> Result<&'a [u8], ProtobufError> {
        let length = self.varint()?;
        let rest = &self.bytes[self.at..];
        if length > rest.len() as u64 {
            return Err(ProtobufError::LengthBeyondEnd {
                number,
                length,
                left: rest.len(),
            });
        }
        self.at += length as usize;
        Ok(&rest[..length as usize])
    }
}

impl<'a> Field<'a> {
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8], ProtobufError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong("bytes")),
        }
    }

    pub fn message(&self) -> Result<Reader<'a>, ProtobufError> {
        self.bytes().map(Reader::new)
    }

    pub fn string(&self) -> Result<&'a str, ProtobufError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ProtobufError::NotUtf8 { number: self.number })
    }

    #[inline]
    pub fn uint64(&self) -> Result<u64, ProtobufError> {
        match self.value {
            Value::Varint(v) => Ok(v),
            _ => Err(self.wrong("varint")),
        }
    }

    #[inline]
    pub fn int64(&self) -> Result<i64, ProtobufError> {
        self.uint64().map(|v| v as i64)
    }

    pub fn uint32(&self) -> Result<u32, ProtobufError> {
        self.uint64().map(|v| v as u32)
    }

    /// int32 and enums: the low half, as the protobuf rules have it.
    pub fn int32(&self) -> Result<i32, ProtobufError> {
        self.uint64().map(|v| v as i32)
    }

    pub fn sint32(&self) -> Result<i32, ProtobufError> {
        self.uint64().map(|v| unzigzag(v) as i32)
    }

    pub fn sint64(&self) -> Result<i64, ProtobufError> {
        self.uint64().map(unzigzag)
    }

    pub fn bool(&self) -> Result<bool, ProtobufError> {
        self.uint64().map(|v| v != 0)
    }

    #[inline]
    pub fn fixed64(&self) -> Result<u64, ProtobufError> {
        match self.value {
            Value::Fixed64(bits) => Ok(bits),
            _ => Err(self.wrong("fixed64")),
        }
    }

    pub fn fixed32(&self) -> Result<u32, ProtobufError> {
        match self.value {
            Value::Fixed32(bits) => Ok(bits),
            _ => Err(self.wrong("fixed32")),
        }
    }

    #[inline]
    pub fn double(&self) -> Result<f64, ProtobufError> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(self.wrong("double")),
        }
    }

    /// A repeated varint, packed or one at a time.
    pub fn varints(&self, mut each: impl FnMut(u64)) -> Result<(), ProtobufError> {
        match self.value {
            Value::Varint(v) => each(v),
            Value::Bytes(bytes) => {
                let mut reader = Reader::new(bytes);
                while !reader.is_at_end() {
                    let v = reader
                        .varint()
                        .map_err(|_| ProtobufError::PackedTruncated { number: self.number })?;
                    each(v);
                }
            }
            _ => return Err(self.wrong("repeated varint")),
        }
        Ok(())
    }

    /// A repeated fixed64 or double, packed or one at a time.
    pub fn fixed64s(&self, mut each: impl FnMut(u64)) -> Result<(), ProtobufError> {
        match self.value {
            Value::Fixed64(v) => each(v),
            Value::Bytes(bytes) => {
                let (chunks, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(ProtobufError::PackedTruncated { number: self.number });
                }
                for chunk in chunks {
                    each(u64::from_le_bytes(*chunk));
                }
            }
            _ => return Err(self.wrong("repeated fixed64")),
        }
        Ok(())
    }

    pub fn doubles(&self, mut each: impl FnMut(f64)) -> Result<(), ProtobufError> {
        self.fixed64s(|bits| each(f64::from_bits(bits)))
    }

    fn wrong(&self, expected: &'static str) -> ProtobufError {
        ProtobufError::WrongType {
            number: self.number,
            expected,
        }
    }
}

/// Appends fields to a buffer. As in proto3, a scalar that has its default value is left out.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Writer::default()
    }

    pub fn with_capacity(size_bytes: usize) -> Self {
        Writer {
            out: Vec::with_capacity(size_bytes),
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    pub fn varint(&mut self, value: u64) {
        push_varint(&mut self.out, value);
    }

    pub fn uint64(&mut self, number: u32, value: u64) {
        if value != 0 {
            self.present_uint64(number, value);
        }
    }

    pub fn int64(&mut self, number: u32, value: i64) {
        self.uint64(number, value as u64);
    }

    pub fn sint64(&mut self, number: u32, value: i64) {
        self.uint64(number, zigzag(value));
    }

    /// Written even when zero: members of a oneof, and proto2 fields.
    pub fn present_uint64(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.varint(value);
    }

    pub fn double(&mut self, number: u32, value: f64) {
        // By bits: a negative zero is a value.
        if value.to_bits() != 0 {
            self.present_double(number, value);
        }
    }

    pub fn present_double(&mut self, number: u32, value: f64) {
        self.fixed64(number, value.to_bits());
    }

    pub fn fixed64(&mut self, number: u32, bits: u64) {
        self.tag(number, 1);
        self.out.extend_from_slice(&bits.to_le_bytes());
    }

    pub fn string(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Written even when empty: elements of a repeated field.
    pub fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A nested message; written even when it is empty.
    pub fn message(&mut self, number: u32, fill: impl FnOnce(&mut Writer)) {
        self.tag(number, 2);
        let start = self.out.len();
        fill(self);
        let length = self.out.len() - start;
        let mut prefix = Vec::with_capacity(10);
        push_varint(&mut prefix, length as u64);
        self.out.resize(start + prefix.len() + length, 0);
        self.out.copy_within(start..start + length, start + prefix.len());
        self.out[start..start + prefix.len()].copy_from_slice(&prefix);
    }

    pub fn packed_varints(&mut self, number: u32, values: impl IntoIterator<Item = u64>) {
        let mut packed = Vec::new();
        for value in values {
            push_varint(&mut packed, value);
        }
        if !packed.is_empty() {
            self.bytes(number, &packed);
        }
    }

    pub fn packed_doubles(&mut self, number: u32, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        self.tag(number, 2);
        self.varint(8 * values.len() as u64);
        for value in values {
            self.out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }

    fn tag(&mut self, number: u32, wire_type: u8) {
        self.varint(u64::from(number) << 3 | u64::from(wire_type));
    }
}

pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], expect: &str) {
        let mut reader = Reader::new(bytes);
        let error = loop {
            match reader.next_field() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{bytes:?} parses"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn names_what_does_not_parse() {
        check(&[0x08], "message ends inside a field at byte 1");
        check(&[0x09, 1, 2], "message ends inside a field at byte 1");
        check(&[0x08, 0x80], "message ends inside a field at byte 1");
        check(&[0x12, 5, 1], "field 2 claims 5 bytes, 1 are left");
        check(&[0x00, 5], "field at byte 0 has number 0");
        check(&[0x0b], "field 1 at byte 0 has wire type 3, which is not in use");
        let long = [0xff; 11];
        check(&long, "varint at byte 0 is longer than 10 bytes");
    }

    #[test]
    fn a_length_of_2_to_the_63_is_refused() {
        let mut bytes = vec![0x12];
        push_varint(&mut bytes, 1 << 63);
        check(&bytes, "field 2 claims 9223372036854775808 bytes, 0 are left");
    }

    proptest! {
        #[test]
        fn round_trips(a: u64, b: i64, c: f64, text in "\\PC{0,40}", list: Vec<u64>) {
            let mut writer = Writer::new();
            writer.message(7, |w| {
                w.present_uint64(1, a);
                w.present_uint64(2, zigzag(b));
                w.present_double(3, c);
                w.bytes(4, text.as_bytes());
                w.packed_varints(5, list.iter().copied());
            });
            let bytes = writer.into_bytes();
            let outer = Reader::new(&bytes).next_field().unwrap().unwrap();
            let mut inner = outer.message().unwrap();
            prop_assert_eq!(inner.next_field().unwrap().unwrap().uint64(), Ok(a));
            prop_assert_eq!(inner.next_field().unwrap().unwrap().sint64(), Ok(b));
            let double = inner.next_field().unwrap().unwrap().double().unwrap();
            prop_assert_eq!(double.to_bits(), c.to_bits());
            prop_assert_eq!(inner.next_field().unwrap().unwrap().string(), Ok(text.as_str()));
            let mut read = Vec::new();
            if let Some(field) = inner.next_field().unwrap() {
                field.varints(|v| read.push(v)).unwrap();
            }
            prop_assert_eq!(read, list);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(field)) = reader.next_field() {
                let mut sum = 0u64;
                let _ = field.varints(|v| sum = sum.wrapping_add(v));
                let _ = field.doubles(|v| sum ^= v.to_bits());
                let _ = field.string();
            }
        }
    }
}
