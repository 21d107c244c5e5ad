//! DNS on the wire (RFC 1035): a packet with one question, and what answers are read with.
//!
//! What comes is foreign: every read is checked, and following a name's pointers is bounded.

/// Pointers of one name that are followed, beside its parts, of which there are at most 128.
const POINTERS_MAX: usize = 32;

/// Asks for records of a kind and a class.
pub(crate) fn question(
    name: &str,
    (kind, class, wants_recursion): (u16, u16, bool),
    id: u16,
) -> Result<Vec<u8>, String> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend([u8::from(wants_recursion), 0, 0, 1, 0, 0, 0, 0, 0, 0]); // One question.
    let bare = name.strip_suffix('.').unwrap_or(name);
    // A dot alone is the root, which has no parts.
    let parts = bare.split('.').filter(|_| name != ".");
    for part in parts {
        if part.is_empty() || part.len() > 63 {
            return Err(format!("{name:?} is not a name"));
        }
        packet.push(part.len() as u8);
        packet.extend(part.as_bytes());
    }
    packet.push(0);
    packet.extend(kind.to_be_bytes());
    packet.extend(class.to_be_bytes());
    Ok(packet)
}

pub(crate) fn u16_at(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

pub(crate) fn u32_at(packet: &[u8], at: usize) -> Option<u32> {
    let bytes = packet.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// The name at `at`, with a dot after each part, and where the packet goes on.
pub(crate) fn name_at(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut after = None;
    for _ in 0..POINTERS_MAX + 128 {
        let length = usize::from(*packet.get(at)?);
        match length {
            0 => return Some((name, after.unwrap_or(at + 1))),
            1..=63 => {
                let part = packet.get(at + 1..at + 1 + length)?;
                name.push_str(&String::from_utf8_lossy(part));
                name.push('.');
                at += 1 + length;
            }
            _ => {
                let low = usize::from(*packet.get(at + 1)?);
                after.get_or_insert(at + 2);
                at = (length & 0x3f) << 8 | low;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_questions_have_parts_or_are_the_root() {
        for name in ["a..b", "", &"x".repeat(64)] {
            assert!(question(name, (1, 1, true), 1).is_err(), "{name:?}");
        }
        let root = question(".", (2, 3, false), 1).unwrap();
        assert_eq!(root, [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3]);
    }

    #[test]
    fn pointers_are_followed_and_a_ring_of_them_ends() {
        let packet = [1, b'a', 0, 1, b'b', 0xc0, 0, 0xc0, 7];
        assert_eq!(name_at(&packet, 3), Some(("b.a.".to_owned(), 7)));
        assert_eq!(name_at(&packet, 7), None);
        assert_eq!(name_at(&packet, 9), None);
    }
}
