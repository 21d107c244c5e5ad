use crate::cases::{chain, summary};
use lapwing_wire::proto_exposition::{ExpositionOptions, parse_to_batch};
use lapwing_wire::protobuf::{Writer, push_varint, zigzag};
use proptest::prelude::*;

const NATIVE_ONLY: ExpositionOptions = ExpositionOptions::at(42);

fn delimited(families: &[&dyn Fn(&mut Writer)]) -> Vec<u8> {
    let mut page = Vec::new();
    for fill in families {
        let mut w = Writer::new();
        fill(&mut w);
        push_varint(&mut page, w.as_bytes().len() as u64);
        page.extend_from_slice(w.as_bytes());
    }
    page
}

fn check(families: &[&dyn Fn(&mut Writer)], options: ExpositionOptions, expect: &str) {
    let found = match parse_to_batch(&delimited(families), options) {
        Ok(batch) => summary(&batch),
        Err(error) => chain(&error),
    };
    assert_eq!(found, expect);
}

fn pair(w: &mut Writer, number: u32, name: &str, value: &str) {
    w.message(number, |w| {
        w.string(1, name);
        w.string(2, value);
    });
}

fn head(w: &mut Writer, name: &str, kind: u64) {
    w.string(1, name);
    w.string(2, "help");
    w.present_uint64(3, kind);
}

fn exemplar(w: &mut Writer, t_s: Option<u64>) {
    pair(w, 1, "trace_id", "t");
    w.double(2, 0.5);
    if let Some(t_s) = t_s {
        w.message(3, |w| {
            w.uint64(1, t_s);
            w.uint64(2, 250_000_000);
        });
    }
}

#[test]
fn counter_gauge_summary_untyped() {
    check(
        &[
            &|w| {
                head(w, "c_total", 0);
                w.message(4, |w| {
                    pair(w, 1, "a", "b");
                    w.message(3, |w| {
                        w.double(1, 3.0);
                        w.message(2, |w| exemplar(w, Some(7)));
                        w.message(3, |w| w.uint64(1, 5));
                    });
                    w.int64(6, 1000);
                });
            },
            &|w| {
                head(w, "g", 1);
                w.message(4, |w| w.message(2, |w| w.double(1, -1.5)));
                w.string(5, "bytes");
            },
            &|w| {
                head(w, "s", 2);
                w.message(4, |w| {
                    w.message(4, |w| {
                        w.uint64(1, 4);
                        w.double(2, 9.0);
                        w.message(3, |w| {
                            w.double(1, 1.0);
                            w.double(2, 6.0);
                        });
                    });
                });
            },
            &|w| {
                head(w, "u", 3);
                w.message(4, |w| w.message(5, |w| w.double(1, 1.0)));
            },
        ],
        NATIVE_ONLY,
        "c_total{a=\"b\"} 3@1000 # {trace_id=\"t\"} 0.5 Some(7250) since 5000\n\
         g -1.5@42\n\
         s{quantile=\"1.0\"} 6@42\n\
         s_sum 9@42\n\
         s_count 4@42\n\
         u 1@42\n\
         c_total: counter \"help\" \"\"\n\
         g: gauge \"help\" \"bytes\"\n\
         s: summary \"help\" \"\"\n\
         u: unknown \"help\" \"\"",
    );
}

fn both_histograms(w: &mut Writer) {
    head(w, "h", 4);
    w.message(4, |w| {
        w.message(7, |w| {
            w.uint64(1, 6);
            w.double(2, 12.5);
            w.message(3, |w| {
                w.uint64(1, 2);
                w.double(2, 1.0);
                w.message(3, |w| exemplar(w, None));
            });
            w.message(3, |w| {
                w.uint64(1, 5);
                w.double(2, 2.5);
                w.message(3, |w| exemplar(w, Some(1)));
            });
            w.present_uint64(5, zigzag(3));
            w.double(6, 0.001);
            w.uint64(7, 1);
            w.message(12, |w| {
                w.present_uint64(1, zigzag(0));
                w.uint64(2, 2);
            });
            w.packed_varints(13, [zigzag(2), zigzag(1)]);
        });
    });
}

#[test]
fn a_native_histogram_hides_its_classic_buckets() {
    let native =
        "h Int { count: 6, zero: 1, positive: [2, 3], negative: [] }@42 # {trace_id=\"t\"} 0.5 Some(1250)";
    let about = "h: histogram \"help\" \"\"";
    check(&[&both_histograms], NATIVE_ONLY, &format!("{native}\n{about}"));
    let both = ExpositionOptions {
        classic_beside_native: true,
        ..NATIVE_ONLY
    };
    let classic = "h_bucket{le=\"1.0\"} 2@42 # {trace_id=\"t\"} 0.5 None\n\
                   h_bucket{le=\"2.5\"} 5@42 # {trace_id=\"t\"} 0.5 Some(1250)\n\
                   h_bucket{le=\"+Inf\"} 6@42\nh_sum 12.5@42\nh_count 6@42";
    check(
        &[&both_histograms],
        both,
        &format!("{native}\n{classic}\n{about}"),
    );
}

#[test]
fn classic_buckets_become_native_ones_where_they_are_wanted_so() {
    let options = ExpositionOptions {
        native: false,
        classic_to_custom: true,
        ..NATIVE_ONLY
    };
    let made =
        "h Int { count: 6, zero: 0, positive: [2, 3, 1], negative: [] }@42 # {trace_id=\"t\"} 0.5 Some(1250)";
    let about = "h: histogram \"help\" \"\"";
    check(&[&both_histograms], options, &format!("{made}\n{about}"));
    let page = delimited(&[&both_histograms]);
    let batch = parse_to_batch(&page, options).unwrap();
    assert_eq!(*batch.series[0].histograms[0].1.custom_bounds, [1.0, 2.5]);
    let native = ExpositionOptions {
        native: true,
        ..options
    };
    let batch = parse_to_batch(&page, native).unwrap();
    assert_eq!(
        batch.series[0].histograms[0].1.schema, 3,
        "the page's own come first"
    );
    // Counts that fall make no histogram.
    let falls = |w: &mut Writer| {
        head(w, "h", 4);
        w.message(4, |w| {
            w.message(7, |w| {
                w.uint64(1, 1);
                w.message(3, |w| {
                    w.uint64(1, 2);
                    w.double(2, 1.0);
                });
            });
        });
    };
    check(
        &[&falls],
        options,
        &format!(
            "h_bucket{{le=\"1.0\"}} 2@42\nh_bucket{{le=\"+Inf\"}} 1@42\nh_sum 0@42\nh_count 1@42\n{about}"
        ),
    );
}

#[test]
fn a_gauge_histogram_of_floats() {
    check(
        &[&|w| {
            head(w, "h", 5);
            w.message(4, |w| {
                w.message(7, |w| {
                    w.double(4, 1.5);
                    w.message(9, |w| w.uint64(2, 1));
                    w.packed_doubles(11, &[1.5]);
                });
            });
        }],
        NATIVE_ONLY,
        "h Float { count: 1.5, zero: 0.0, positive: [], negative: [1.5] }@42\nh: gaugehistogram \"help\" \"\"",
    );
}

#[test]
fn names_what_is_wrong() {
    check(&[&|w| w.string(2, "help")], NATIVE_ONLY, "a family has no name");
    check(
        &[&|w| {
            head(w, "a", 1);
            w.message(4, |w| {
                pair(w, 1, "x", "1");
                pair(w, 1, "x", "2");
                w.message(2, |w| w.double(1, 1.0));
            });
        }],
        NATIVE_ONLY,
        "a metric of family \"a\" has invalid labels: label \"x\" appears more than once",
    );
    check(
        &[&|w| {
            head(w, "h", 4);
            w.message(4, |w| {
                w.message(7, |w| {
                    w.message(12, |w| w.uint64(2, 1));
                    w.packed_varints(13, [zigzag(-2)]);
                });
            });
        }],
        NATIVE_ONLY,
        "a histogram of family \"h\" is invalid: positive bucket 0 of the histogram is below zero or above 2^64 when its delta is added",
    );
    let mut cut = delimited(&[&|w| head(w, "a", 1), &|w| head(w, "b", 1)]);
    cut.pop();
    let error = parse_to_batch(&cut, NATIVE_ONLY).unwrap_err();
    assert!(
        chain(&error).starts_with("the page is not valid protobuf after family \"a\": message ends inside"),
        "{}",
        chain(&error)
    );
}

proptest! {
    #[test]
    fn cut_and_flipped_pages_never_panic(cut: prop::sample::Index, mask: u8) {
        let mut page = delimited(&[&both_histograms]);
        let at = cut.index(page.len());
        page[at] ^= mask;
        let _ = parse_to_batch(&page, NATIVE_ONLY);
        page.truncate(at);
        let _ = parse_to_batch(&page, NATIVE_ONLY);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = parse_to_batch(&bytes, NATIVE_ONLY);
    }
}
