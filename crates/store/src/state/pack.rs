//! Many small rows as one value of the database: what a commit changes stands side by side, and not on a page each.
//!
//! ```text
//! body   crc32 of the rest (4 bytes, little endian), 0 (as it is) or 1 (snappy), bytes
//! bytes  one entry after the other, of the numbers and texts of `crate::bytes`
//! ```
//!
//! A body that is not what was written is found by its checksum; nothing is allocated on the word of one.

/// Shorter ones are kept as they are.
const WORTH_PACKING_BYTES: usize = 128;
/// What snappy can make of one byte, and more: a copy of 64 bytes takes three.
const GROWTH_MAX: usize = 32;
const PLAIN: u8 = 0;
const SNAPPY: u8 = 1;

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
    use crate::bytes::{Reader, put_text, put_varint};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_read_and_nothing_else(
            texts in prop::collection::vec(".{0,40}", 0..40),
            number: u64,
            flip in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            texts.iter().for_each(|text| put_text(&mut bytes, text));
            let mut body = pack(&bytes);
            let unpacked = unpack(&body).unwrap();
            let mut reader = Reader::new(&unpacked);
            prop_assert_eq!(reader.varint().ok(), Some(number));
            for text in &texts {
                prop_assert_eq!(reader.text().ok(), Some(text.as_str()));
            }
            prop_assert!(reader.is_empty());
            prop_assert_eq!(reader.text().ok(), None);
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
            assert_eq!(Reader::new(bytes).text().ok(), None, "{bytes:?}");
        }
    }
}
