//! A stream of bits, most significant first.

#[derive(Debug, Default)]
pub(super) struct BitWriter {
    out: Vec<u8>,
    /// Bits still free in the last byte.
    free: u32,
}

impl BitWriter {
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(u64::from(*byte), 8);
        }
    }

    /// The low `count` bits of `value`.
    pub(super) fn push(&mut self, value: u64, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let bits = (value >> (left - take)) & ((1 << take) - 1);
            if let Some(last) = self.out.last_mut() {
                *last |= (bits << (self.free - take)) as u8;
            }
            self.free -= take;
            left -= take;
        }
    }

    pub(super) fn push_varint(&mut self, value: u64) {
        let mut bytes = Vec::with_capacity(10);
        crate::protobuf::push_varint(&mut bytes, value);
        self.push_bytes(&bytes);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes, at: 0 }
    }

    #[inline]
    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` (at most 64) bits, or `None` when fewer are left.
    pub(super) fn bits(&mut self, count: u32) -> Option<u64> {
        if self.at + count as usize > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0u64;
        let mut left = count;
        while left > 0 {
            let offset = (self.at % 8) as u32;
            let take = left.min(8 - offset);
            let byte = u64::from(self.bytes[self.at / 8]);
            let part = byte >> (8 - offset - take) & ((1 << take) - 1);
            value = value << take | part;
            self.at += take as usize;
            left -= take;
        }
        Some(value)
    }

    /// How many ones stand before the next zero, at most `max` (then no zero is read).
    pub(super) fn unary(&mut self, max: u32) -> Option<u32> {
        let mut ones = 0;
        while ones < max && self.bit()? {
            ones += 1;
        }
        Some(ones)
    }

    /// A byte-wise varint at any bit position. `Some(None)` when it is too long.
    pub(super) fn varint(&mut self) -> Option<Option<u64>> {
        let mut value = 0u64;
        for i in 0..10 {
            let byte = self.bits(8)?;
            value |= (byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Some(Some(value));
            }
        }
        Some(None)
    }
}
