//! The text formats: nothing panics, the text of a series stands for its labels, and a text read line by line comes to its end.
#![no_main]

use lapwing_wire::text::{Entry, Format, Lines, Parser, from_content_type, negotiate, parse_to_batch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let _ = parse_to_batch(bytes, format, 0);
        let Ok(mut parser) = Parser::new(bytes, format) else {
            continue;
        };
        // A bad line is an error and then the next line; the page ends.
        let lines = bytes.iter().filter(|b| **b == b'\n').count();
        for _ in 0..lines + 3 {
            if let Ok(Some(Entry::Sample(sample))) = parser.next_entry() {
                let _ = (sample.series_text(), sample.labels(), sample.exemplar());
            }
        }
        assert!(matches!(parser.next_entry(), Ok(None)));
    }
    let mut lines = Lines::new(bytes);
    let mut last = 0;
    while let Some(line) = lines.next_line().expect("bytes in memory can be read") {
        assert!(line.number > last);
        last = line.number;
        if let Ok(Some(Entry::Sample(sample))) = line.entry {
            let _ = (sample.series_text(), sample.labels(), sample.exemplar());
        }
    }
    if let Ok(header) = std::str::from_utf8(bytes) {
        let _ = from_content_type(header);
        let _ = negotiate(header, &[]);
    }
});
