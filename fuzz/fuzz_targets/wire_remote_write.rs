//! Remote write, compressed and not: nothing panics, and what decodes is encoded to the same again.
#![no_main]

use lapwing_types::WriteBatch;
use lapwing_wire::remote_write::{encode_v1, encode_v2, v1, v2};
use lapwing_wire::snappy::Decompressor;
use libfuzzer_sys::fuzz_target;

const BODY_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let Ok(body) = Decompressor::new().decompress(bytes, BODY_BYTES_MAX) {
        check(body);
    }
});

fn check(body: &[u8]) {
    if let Ok(batch) = v1::WriteRequest::decode(body).and_then(|r| r.to_batch()) {
        let again = v1::WriteRequest::decode(&encode_v1(&batch)).and_then(|r| r.to_batch());
        assert_eq!(text(&again.expect("our own encoding")), text(&batch));
    }
    if let Ok(batch) = v2::Request::decode(body).and_then(|r| r.to_batch()) {
        let again = v2::Request::decode(&encode_v2(&batch)).and_then(|r| r.to_batch());
        let (again, batch) = (again.expect("our own encoding"), batch);
        assert_eq!(format!("{:?}", again.series), format!("{:?}", batch.series));
    }
    if let Ok(request) = v2::Request::decode(body) {
        let mut key = Vec::new();
        for series in request.series().flatten() {
            let _ = series.key(&mut key);
        }
    }
}

/// NaNs are not equal to themselves; their spelling is.
fn text(batch: &WriteBatch) -> String {
    format!("{batch:?}")
}
