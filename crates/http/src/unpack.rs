//! A body as it was before it was compressed, piece by piece: all members of a gzip stream, not only the first.

use flate2::write::MultiGzDecoder;
use std::borrow::Cow;
use std::io::{self, Write};

/// So much is unpacked before the reader looks at what has become of it: deflate makes at most 1032 bytes of one, so 4 MiB.
pub const PIECE_BYTES: usize = 4096;

pub struct Unpack {
    /// None: the body is what it is.
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    is_begun: bool,
}

impl Unpack {
    /// By the header `Content-Encoding`.
    pub fn of(encoding: Option<&str>) -> Self {
        let is_gzip = encoding.is_some_and(|e| matches!(e.to_ascii_lowercase().as_str(), "gzip" | "x-gzip"));
        Unpack {
            gzip: is_gzip.then(|| MultiGzDecoder::new(Vec::new())),
            is_begun: false,
        }
    }

    pub fn is_plain(&self) -> bool {
        self.gzip.is_none()
    }

    pub fn push<'a>(&mut self, piece: &'a [u8]) -> io::Result<Cow<'a, [u8]>> {
        let Some(gzip) = &mut self.gzip else {
            return Ok(Cow::Borrowed(piece));
        };
        self.is_begun |= !piece.is_empty();
        gzip.write_all(piece)?;
        gzip.flush()?;
        Ok(Cow::Owned(std::mem::take(gzip.get_mut())))
    }

    /// Whether the last member was whole; an empty body is.
    pub fn finish(&mut self) -> io::Result<()> {
        match &mut self.gzip {
            Some(gzip) if self.is_begun => gzip.try_finish(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(body: &[u8], piece_bytes: usize) -> io::Result<String> {
        let mut unpack = Unpack::of(Some("gzip"));
        let mut out = Vec::new();
        for piece in body.chunks(piece_bytes) {
            out.extend_from_slice(&unpack.push(piece)?);
        }
        unpack.finish()?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn all_members_count_wherever_they_are_cut() {
        let body = [zipped("a 1\n"), zipped(""), zipped("b 2\nc 3\n")].concat();
        for piece_bytes in 1..=body.len() {
            assert_eq!(
                unpacked(&body, piece_bytes).unwrap(),
                "a 1\nb 2\nc 3\n",
                "{piece_bytes}"
            );
            assert!(unpacked(&body[..body.len() - 1], piece_bytes).is_err());
        }
        assert!(unpacked(b"not gzip at all", 4).is_err());
        assert_eq!(unpacked(b"", 4).unwrap(), "");
    }

    #[test]
    fn what_has_come_is_given_at_once() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"first\n").unwrap();
        encoder.flush().unwrap();
        let mut unpack = Unpack::of(Some("GZIP"));
        assert_eq!(*unpack.push(encoder.get_ref()).unwrap(), *b"first\n");
        assert_eq!(*Unpack::of(None).push(b"x").unwrap(), *b"x");
    }
}
