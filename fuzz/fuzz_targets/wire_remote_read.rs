//! Remote read requests and answers: nothing panics, frames in any pieces give the same.
#![no_main]

use lapwing_wire::remote_read::{ReadRequest, StreamReader, decode_samples, encode_samples};
use libfuzzer_sys::fuzz_target;

const FRAME_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let _ = ReadRequest::decode(bytes).and_then(|request| request.response_type());
    if let Ok(results) = decode_samples(bytes) {
        let again = decode_samples(&encode_samples(&results)).expect("our own encoding");
        assert_eq!(format!("{again:?}"), format!("{results:?}"));
    }
    let whole = StreamReader::new(FRAME_BYTES_MAX).feed(bytes);
    let mut reader = StreamReader::new(FRAME_BYTES_MAX);
    let pieces: Result<Vec<_>, _> = bytes.chunks(7).map(|piece| reader.feed(piece)).collect();
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(format!("{:?}", pieces.concat()), format!("{whole:?}"));
    }
});
