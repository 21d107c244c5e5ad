//! Files of a Prometheus data directory, one kind per first byte.
#![no_main]

use lapwing_wire::prom_tsdb::{
    BlockIndex, BlockReader, ChunkSamples, Tombstones, WalReader, decode_chunk, head_chunks, parse_chunk,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 5 {
        0 => {
            if let Ok(index) = BlockIndex::parse(rest) {
                let reader = BlockReader {
                    index,
                    segments: vec![rest],
                    tombstones: Tombstones::default(),
                };
                let _ = reader.series().count();
            }
        }
        1 => {
            let _ = WalReader::new().segment(rest, |_| {});
        }
        2 => {
            let _ = head_chunks(rest);
            let _ = parse_chunk(rest, 0);
        }
        3 => {
            let _ = Tombstones::parse(rest);
        }
        _ => {
            // The checksums above hide the decoders; here they stand alone.
            if let Some((encoding, data)) = rest.split_first() {
                let _ = decode_chunk(encoding % 5, data, &mut ChunkSamples::default());
            }
        }
    }
});
