//! Many small rows as one value of the database: what a commit changes stands side by side, and not on a page each.
//!
//! ```text
//! body   crc32 of the rest (4 bytes, little endian), 0 (as it is) or 1 (snappy), bytes
//! bytes  one entry after the other; a number is LEB128, a text is its length and its bytes
//! ```
//!
//! A body that is not what was written is found by its checksum; nothing is allocated on the word of one.

/// Shorter ones are kept as they are.
const WORTH_PACKING_BYTES: usize = 128;
/// What snappy can make of one byte, and more: a copy of 64 bytes takes three.
const GROWTH_MAX: usize = 32;
const PLAIN: u8 = 0;
const SNAPPY: u8 = 1;

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// `None` from any of these: the bytes are not what was written.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Where this reader stands, counted from the end.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        str::from_utf8(text).ok()
    }
}

pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    let packed = (bytes.len() >= WORTH_PACKING_BYTES)
        .then(|| snap::raw::Encoder::new().compress_vec(bytes).ok())
        .flatten();
    match packed {
        Some(packed) => {
            body.push(SNAPPY);
            body.extend_from_slice(&packed);
        }
        None => {
            body.push(PLAIN);
            body.extend_from_slice(bytes);
        }
    }
    let sum = crc32fast::hash(&body[4..]);
    body[..4].copy_from_slice(&sum.to_le_bytes());
    body
}

pub(super) fn unpack(body: &[u8]) -> Option<Vec<u8>> {
    let (sum, rest) = body.split_first_chunk::<4>()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return None;
    }
    match rest.split_first()? {
        (&PLAIN, bytes) => Some(bytes.to_vec()),
        (&SNAPPY, packed) => {
            let len = snap::raw::decompress_len(packed).ok()?;
            if len > packed.len().saturating_mul(GROWTH_MAX) {
                return None;
            }
            snap::raw::Decoder::new().decompress_vec(packed).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_read_and_nothing_else(
            texts in prop::collection::vec(".{0,40}", 0..40),
            number: u64,
            flip in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            texts.iter().for_each(|text| put_text(&mut bytes, text));
            let mut body = pack(&bytes);
            let unpacked = unpack(&body).unwrap();
            let mut reader = Reader::new(&unpacked);
            prop_assert_eq!(reader.number(), Some(number));
            for text in &texts {
                prop_assert_eq!(reader.text(), Some(text.as_str()));
            }
            prop_assert!(reader.is_over());
            prop_assert_eq!(reader.text(), None);
            let at = flip.index(body.len());
            body[at] ^= 1;
            prop_assert_eq!(unpack(&body), None);
        }
    }

    #[test]
    fn bytes_that_say_too_much_are_refused() {
        let mut packed = vec![SNAPPY, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
        let mut body = crc32fast::hash(&packed).to_le_bytes().to_vec();
        body.append(&mut packed);
        assert_eq!(unpack(&body), None);
        for bytes in [&[0xff; 11][..], &[5, b'a'], &[0x80]] {
            assert_eq!(Reader::new(bytes).text(), None, "{bytes:?}");
        }
    }
}
