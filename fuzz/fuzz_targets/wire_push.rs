//! JSON pushes, imports, StatsD packets and Pushgateway paths.
#![no_main]

use lapwing_wire::import::{export_line, import_lines};
use lapwing_wire::push::parse_push;
use lapwing_wire::pushgateway::{parse_body, parse_group};
use lapwing_wire::statsd::{Statsd, StatsdLimits};
use lapwing_wire::text::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_push(bytes, 0);
    for series in import_lines(bytes).flatten() {
        let mut line = String::new();
        export_line(&mut line, &series.labels, &series.samples);
        let again = import_lines(line.as_bytes())
            .next()
            .expect("a line")
            .expect("our own line");
        assert_eq!(format!("{again:?}"), format!("{series:?}"));
    }
    let mut statsd = Statsd::new(StatsdLimits::default());
    statsd.ingest(bytes, 0);
    statsd.unsettled();
    for series in statsd.flush(1).series {
        for (_, histogram) in series.histograms {
            assert_eq!(histogram.validate(), Ok(()));
        }
    }
    if let Ok(path) = std::str::from_utf8(bytes)
        && let Ok(group) = parse_group(path)
    {
        let _ = parse_body(b"a 1\n", Format::Prometheus, &group, 0);
    }
});
