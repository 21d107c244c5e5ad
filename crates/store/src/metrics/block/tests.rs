//! A block against a plain map: what was written is selected, read, merged and deleted as the map says.

use super::*;
use crate::metrics::columns::SeriesColumns;
use crate::metrics::tier::TierPoint;
use lapwing_types::{Counts, Exemplar, Histogram, Labels, MatchOp, Matcher, ResetHint, Span, stale_nan};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

type Model = BTreeMap<Labels, SeriesColumns>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

fn write(dir: &Path, options: BlockOptions, model: &Model) -> BlockMeta {
    let mut writer = BlockWriter::create(dir, options).unwrap();
    for (labels, columns) in model {
        writer.add_series(labels, columns).unwrap();
    }
    writer.finish().unwrap()
}

fn open(dir: &Path) -> Arc<Block> {
    Arc::new(Block::open(dir, &PageCache::new(4 << 20)).unwrap())
}

/// Samples as comparable text: NaNs differ from themselves, their bits do not.
fn text(columns: &SeriesColumns) -> String {
    let bits: Vec<u64> = columns.values.iter().map(|v| v.to_bits()).collect();
    format!(
        "{:?} {:x?} {:?} {:?} {:?} {:?}",
        columns.times_ms, bits, columns.histograms, columns.exemplars, columns.start_times_ms, columns.tier
    )
}

fn check_all(block: &Block, model: &Model) {
    let found = block.select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(found.iter().map(|s| &s.labels).eq(model.keys()));
    for (series, expect) in found.iter().zip(model.values()) {
        let mut out = SeriesColumns::default();
        block.read(series, (i64::MIN, i64::MAX), &mut out).unwrap();
        assert_eq!(text(&out), text(expect), "{}", series.labels);
    }
    assert!(block.verify().unwrap().is_whole());
}

fn cut(columns: &SeriesColumns, start_ms: i64, end_ms: i64) -> SeriesColumns {
    let inside = |t: &i64| (start_ms..=end_ms).contains(t);
    let mut out = SeriesColumns::default();
    for (t, v) in columns
        .times_ms
        .iter()
        .zip(&columns.values)
        .filter(|(t, _)| inside(t))
    {
        out.times_ms.push(*t);
        out.values.push(*v);
    }
    out.histograms
        .extend(columns.histograms.iter().filter(|h| inside(&h.0)).cloned());
    out
}

fn histogram(n: u64) -> Arc<Histogram> {
    Arc::new(Histogram {
        reset_hint: ResetHint::Unknown,
        schema: 3,
        zero_threshold: 1e-128,
        sum: n as f64 * 0.25,
        positive_spans: vec![Span {
            offset: -2,
            length: 2,
        }],
        negative_spans: Vec::new(),
        counts: Counts::Int {
            count: 3 * n,
            zero: 0,
            positive: vec![n, 2 * n],
            negative: Vec::new(),
        },
        custom_bounds: Arc::from([]),
    })
}

/// A small fleet: shared scrapes, a classic histogram with its count, a native one, gaps, exemplars.
fn fleet(hosts: usize, samples: i64) -> Model {
    let mut model = Model::new();
    for host in 0..hosts {
        let name = format!("host-{host}");
        let times_ms: Vec<i64> = (0..samples)
            .map(|i| 1_700_000_000_000 + host as i64 * 137 + i * 15_000 + (i * 31) % 5)
            .collect();
        let mut add = |pairs: &[(&str, &str)], values: Vec<f64>| {
            let mut all = vec![("instance", name.as_str()), ("job", "test")];
            all.extend_from_slice(pairs);
            let columns = SeriesColumns {
                times_ms: times_ms[times_ms.len() - values.len()..].to_vec(),
                values,
                ..SeriesColumns::default()
            };
            model.insert(labels(&all), columns);
        };
        let n = samples as usize;
        add(&[("__name__", "up")], vec![1.0; n]);
        let gauge = |i: usize| (i * 7919 % 1000) as f64 / 100.0;
        add(&[("__name__", "load")], (0..n).map(gauge).collect());
        add(
            &[("__name__", "late")],
            (0..n / 3).map(|i| (i as f64).sqrt()).collect(),
        );
        for model_name in ["a", "b"] {
            let pairs = |le| [("__name__", "lat_bucket"), ("le", le), ("model", model_name)];
            let count = |k: usize| move |i: usize| (i * k + i % 3 * k) as f64;
            add(&pairs("0.5"), (0..n).map(count(1)).collect());
            add(&pairs("10"), (0..n).map(count(2)).collect());
            add(&pairs("2.5"), (0..n).map(count(2)).collect());
            let mut all: Vec<f64> = (0..n).map(count(3)).collect();
            if let Some(last) = all.last_mut() {
                *last = stale_nan();
            }
            add(&pairs("+Inf"), all.clone());
            add(&[("__name__", "lat_count"), ("model", model_name)], all);
        }
        let native = SeriesColumns {
            histograms: times_ms
                .iter()
                .map(|t| (*t, histogram(*t as u64 % 1000)))
                .collect(),
            exemplars: vec![(
                times_ms[0],
                Exemplar {
                    labels: labels(&[("trace_id", "abc")]),
                    value: 0.5,
                    t_ms: None,
                },
            )],
            start_times_ms: vec![(times_ms[0], 1_699_999_000_000)],
            ..SeriesColumns::default()
        };
        model.insert(labels(&[("__name__", "native"), ("instance", &name)]), native);
    }
    model
}

#[test]
fn a_fleet_returns_from_hot_and_cold_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let model = fleet(7, 400);
    let hot = write(&dir.path().join("hot"), BlockOptions::hot(), &model);
    let cold = write(&dir.path().join("cold"), BlockOptions::cold(), &model);
    assert_eq!((hot.series, hot.histograms, hot.exemplars), (7 * 14, 7 * 400, 7));
    assert!(cold.size_bytes < hot.size_bytes);
    for name in ["hot", "cold"] {
        let block = open(&dir.path().join(name));
        assert_eq!(block.meta().samples, hot.samples);
        check_all(&block, &model);
        let exemplars = block.exemplars(&[], (i64::MIN, i64::MAX)).unwrap();
        let expect = model.iter().filter(|(_, c)| !c.exemplars.is_empty());
        assert!(
            exemplars
                .iter()
                .map(|(l, e)| (l, e))
                .eq(expect.map(|(l, c)| (l, &c.exemplars)))
        );
        let (start, end) = (hot.min_ms + 1_000_000, hot.min_ms + 2_000_000);
        for series in block.select(&[], start, end).unwrap() {
            let mut out = SeriesColumns::default();
            block.read(&series, (start, end), &mut out).unwrap();
            let expect = cut(&model[&series.labels], start, end);
            assert_eq!((&out.times_ms, &out.values), (&expect.times_ms, &expect.values));
            assert_eq!(out.histograms, expect.histograms);
        }
    }
}

/// Blocks of each format, as they were written then.
#[test]
fn every_format_still_reads() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for format in ["block-v1", "block-v2"] {
        for name in ["hot", "cold"] {
            let bytes = std::fs::read(fixtures.join(format).join(name).join(writer::FILE_NAME)).unwrap();
            assert_eq!(format, format!("block-v{}", bytes[7]));
            check_all(&open(&fixtures.join(format).join(name)), &fleet(2, 80));
        }
    }
}

#[test]
fn matchers_select_what_they_match() {
    let dir = tempfile::tempdir().unwrap();
    let model = fleet(23, 3);
    write(&dir.path().join("b"), BlockOptions::hot(), &model);
    let block = open(&dir.path().join("b"));
    let all = |op, name: &str, value: &str| Matcher::new(op, name, value).unwrap();
    use MatchOp::{Equal, NotEqual, NotRegex, Regex};
    let cases = [
        vec![all(Equal, "__name__", "up")],
        vec![all(Equal, "__name__", "absent")],
        vec![all(Equal, "nope", "x")],
        vec![all(Equal, "nope", "")],
        vec![all(NotEqual, "__name__", "up")],
        vec![all(Equal, "model", "")],
        vec![all(NotEqual, "model", "")],
        vec![all(Regex, "instance", "host-1.*")],
        vec![all(Regex, "instance", "host-1|host-2|zzz")],
        vec![all(Regex, "model", "a|")],
        vec![all(NotRegex, "model", "a|")],
        vec![all(NotRegex, "model", "a|b")],
        vec![all(Regex, "instance", ".+1")],
        vec![all(NotRegex, "instance", "host-.*")],
        vec![all(Equal, "instance", "host-3"), all(Regex, "__name__", "l.*")],
        vec![
            all(Equal, "instance", "host-3"),
            all(NotRegex, "__name__", "l.*t"),
        ],
        vec![
            all(Equal, "job", "test"),
            all(NotEqual, "instance", "host-3"),
            all(Regex, "le", "(0.5|10)"),
        ],
        vec![all(Regex, "le", ".*5")],
    ];
    for matchers in cases {
        let expect: Vec<&Labels> = model
            .keys()
            .filter(|l| matchers.iter().all(|m| m.matches_labels(l)))
            .collect();
        let found = block.select(&matchers, i64::MIN, i64::MAX).unwrap();
        assert_eq!(
            found.iter().map(|s| &s.labels).collect::<Vec<_>>(),
            expect,
            "{matchers:?}"
        );
        let mut values = Vec::new();
        block
            .for_each_value("instance", &matchers, (i64::MIN, i64::MAX), |v| {
                values.push(v.to_owned());
            })
            .unwrap();
        let mut expect_values: Vec<&str> = expect.iter().filter_map(|l| l.get("instance")).collect();
        expect_values.sort_unstable();
        expect_values.dedup();
        assert_eq!(values, expect_values, "{matchers:?}");
    }
    let everything = (i64::MIN, i64::MAX);
    assert_eq!(
        block.label_names(&[], everything).unwrap(),
        ["__name__", "instance", "job", "le", "model"]
    );
    let native = [all(Equal, "__name__", "native")];
    assert_eq!(
        block.label_names(&native, everything).unwrap(),
        ["__name__", "instance"]
    );
    assert!(block.select(&[], 0, 5).unwrap().is_empty(), "out of range");
}

fn small_columns() -> impl Strategy<Value = SeriesColumns> {
    let floats = proptest::collection::btree_map(0i64..60, 0u8..4, 0..20);
    let histograms = proptest::collection::btree_map(0i64..60, 0u64..4, 0..4);
    (floats, histograms).prop_map(|(floats, histograms)| {
        let mut columns = SeriesColumns::default();
        for (t, v) in floats.iter().filter(|(t, _)| !histograms.contains_key(t)) {
            columns.times_ms.push(*t);
            columns
                .values
                .push([0.1, -0.0, stale_nan(), 7.0][usize::from(*v)]);
        }
        columns.histograms = histograms.iter().map(|(t, n)| (*t, histogram(*n))).collect();
        columns
    })
}

fn small_model() -> impl Strategy<Value = Model> {
    proptest::collection::btree_map((0usize..3, 0usize..4), small_columns(), 0..8).prop_map(|series| {
        let named = series.into_iter().map(|((name, le), columns)| {
            let name = ["a", "b_bucket", "c"][name];
            (
                labels(&[("__name__", name), ("le", ["1", "2", "+Inf", ""][le])]),
                columns,
            )
        });
        named.filter(|(_, columns)| !columns.is_empty()).collect()
    })
}

/// The reference: every time of every series in a map; a later block replaces what stands there.
fn model_of(blocks: &[Model], tombstones: &[Tombstone]) -> Model {
    type Point = Result<f64, Arc<Histogram>>;
    let mut points: BTreeMap<Labels, BTreeMap<i64, Point>> = BTreeMap::new();
    for (labels, columns) in blocks.iter().flatten() {
        let series = points.entry(labels.clone()).or_default();
        for (t, v) in columns.times_ms.iter().zip(&columns.values) {
            series.insert(*t, Ok(*v));
        }
        for (t, h) in &columns.histograms {
            series.insert(*t, Err(Arc::clone(h)));
        }
    }
    let mut model = Model::new();
    for (labels, series) in points {
        let mut columns = SeriesColumns::default();
        for (t, point) in series {
            if tombstones.iter().any(|s| s.covers(&labels, t)) {
                continue;
            }
            match point {
                Ok(v) => {
                    columns.times_ms.push(t);
                    columns.values.push(v);
                }
                Err(h) => columns.histograms.push((t, h)),
            }
        }
        if !columns.is_empty() {
            model.insert(labels, columns);
        }
    }
    model
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_is_like_a_map(models in proptest::collection::vec(small_model(), 1..4), deleted in 0i64..60, window in 1i64..40, small: bool) {
        let dir = tempfile::tempdir().unwrap();
        let options = BlockOptions { window_ms: window, chunk_samples_max: 8, ..BlockOptions::hot() };
        let blocks: Vec<Arc<Block>> = models.iter().enumerate().map(|(i, model)| {
            write(&dir.path().join(i.to_string()), options, model);
            let block = open(&dir.path().join(i.to_string()));
            check_all(&block, model);
            block
        }).collect();
        let tombstones = [Tombstone {
            matchers: vec![Matcher::equal("__name__", "a")],
            start_ms: deleted,
            end_ms: deleted + 10,
        }];
        let options = if small { BlockOptions { window_ms: 100, ..BlockOptions::cold() } } else { options };
        let out = dir.path().join("merged");
        let meta = merge(&blocks, &out, options, &tombstones, OnDamage::Stop).unwrap();
        let expect = model_of(&models, &tombstones);
        prop_assert_eq!(meta.series, expect.len() as u64);
        check_all(&open(&out), &expect);
    }

    #[test]
    fn a_flipped_byte_is_named_and_the_rest_serves(at in any::<prop::sample::Index>(), bit in 0u8..8, small: bool) {
        let dir = tempfile::tempdir().unwrap();
        let options = if small { BlockOptions::cold() } else { BlockOptions::hot() };
        let model = fleet(3, 150);
        write(&dir.path().join("b"), options, &model);
        let path = dir.path().join("b").join(writer::FILE_NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        check_damaged(&open(&dir.path().join("b")), &model, &format!("byte {at} of {}", bytes.len()));
    }
}

/// What is read is right, and what is not is named as lost; returns how many series are not wholly read.
fn check_damaged(block: &Block, model: &Model, what: &str) -> usize {
    let report = block.verify().unwrap();
    assert!(!report.is_whole(), "{what}: verify sees nothing");
    let found = block.select(&[], i64::MIN, i64::MAX).unwrap();
    let mut whole = BTreeMap::new();
    for series in found {
        let mut out = SeriesColumns::default();
        if block.read(&series, (i64::MIN, i64::MAX), &mut out).is_ok() {
            assert_eq!(text(&out), text(&model[&series.labels]), "{what}");
            whole.insert(series.labels, ());
        }
    }
    let missing: Vec<&Labels> = model.keys().filter(|l| !whole.contains_key(*l)).collect();
    let named = |labels: &&&Labels| {
        report.losses.iter().any(|loss| match loss {
            Loss::Samples { labels: lost, .. } => lost == **labels,
            Loss::Series { labels: lost, .. } => lost.as_ref().is_none_or(|lost| lost == **labels),
            Loss::Index { .. } => true,
        })
    };
    assert_eq!(
        missing.iter().find(|l| !named(l)),
        None,
        "{what}: lost and not named"
    );
    assert_eq!(
        report.losses_count == 0,
        missing.is_empty(),
        "{what}: {:?}",
        report.losses
    );
    missing.len()
}

/// Where the pages of each kind begin, as their heads say.
fn pages_of(bytes: &[u8]) -> BTreeMap<u8, Vec<usize>> {
    let mut found: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    let mut at = 8;
    while at + 16 < bytes.len() {
        let len = u32::from_le_bytes(*bytes[at..].first_chunk::<4>().unwrap()) as usize;
        found.entry(bytes[at + 8]).or_default().push(at);
        at += 16 + len;
    }
    found
}

/// A bit of the content of every page, kind by kind: each costs what stands in that page alone, and pages that tell the same as
/// others cost nothing.
#[test]
fn damage_of_each_kind_of_page_costs_no_more_than_it_must() {
    use super::pages::PageKind::{Meta, Names, Pairs, Postings, Series, TimeTable, Times, Values};
    const DIRECTORY: u8 = 255;
    let dir = tempfile::tempdir().unwrap();
    let (whole, model) = (dir.path().join("whole"), fleet(120, 9));
    write(&whole, BlockOptions::hot(), &model);
    let bytes = std::fs::read(whole.join(writer::FILE_NAME)).unwrap();
    let pages = pages_of(&bytes);
    let lose = |what: &str, places: &[usize]| {
        let hurt_dir = dir.path().join("hurt");
        let _ = std::fs::remove_dir_all(&hurt_dir);
        std::fs::create_dir(&hurt_dir).unwrap();
        let mut hurt = bytes.clone();
        for at in places {
            hurt[*at] ^= 4;
        }
        std::fs::write(hurt_dir.join(writer::FILE_NAME), &hurt).unwrap();
        let block = open(&hurt_dir);
        let lost = check_damaged(&block, &model, what);
        // The same through a matcher, whose posting list may be what is hurt.
        let one_host = [Matcher::equal("instance", "host-77")];
        let selected = block.select(&one_host, i64::MIN, i64::MAX).unwrap();
        assert!(
            selected.len() <= 14 && (lost > 0 || selected.len() == 14),
            "{what}"
        );
        (lost, block.verify().unwrap())
    };
    for kind in [Values, Times, TimeTable, Series, Pairs, Postings, Names, Meta] {
        let of_kind = &pages[&(kind as u8)];
        for at in of_kind {
            let (lost, report) = lose(&format!("{kind:?} at {at}"), &[at + 16 + 9]);
            match kind {
                Postings | Names | Meta => assert_eq!((lost, report.losses_count), (0, 0), "{kind:?}"),
                _ => assert!(
                    lost > 0 && (of_kind.len() == 1 || lost < model.len()),
                    "{kind:?}: {lost} lost"
                ),
            }
            assert_eq!(report.damaged_pages.len(), 1, "{kind:?}");
        }
    }
    assert!(pages[&(Series as u8)].len() > 1 && pages[&(Names as u8)].len() == 2);
    // With an entry lost, the posting lists still say whose it was.
    let (lost, report) = lose("series", &[pages[&(Series as u8)][0] + 30]);
    let named = report
        .losses
        .iter()
        .filter(|l| matches!(l, Loss::Series { labels: Some(_), .. }));
    assert_eq!(named.count(), lost);
    // With a value lost, the other labels do.
    let (_, report) = lose("pairs", &[pages[&(Pairs as u8)][0] + 30]);
    let Loss::Series { reason, .. } = &report.losses[0] else {
        panic!("{:?}", report.losses[0])
    };
    assert!(
        reason.contains("the value of label ") && reason.contains("cannot be read"),
        "{reason}"
    );
    // The first bytes, the directory, the footer: the rest says what they said.
    for at in (0..8).chain([pages[&DIRECTORY][0] + 20, bytes.len() - 12, bytes.len() - 3]) {
        let (lost, report) = lose(&format!("byte {at}"), &[at]);
        assert!(lost == 0 && report.frame_damaged, "byte {at}");
    }
    // What all else depends on, in both places.
    let hurt_dir = dir.path().join("hurt");
    for kind in [Names, Meta] {
        let mut hurt = bytes.clone();
        for at in &pages[&(kind as u8)] {
            hurt[at + 17] ^= 1;
        }
        std::fs::write(hurt_dir.join(writer::FILE_NAME), &hurt).unwrap();
        let refused = Block::open(&hurt_dir, &PageCache::new(0)).err().unwrap();
        assert!(refused.to_string().contains("is damaged: checksum"), "{refused}");
    }
}

#[test]
fn what_is_no_block_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    write(&path, BlockOptions::hot(), &fleet(1, 5));
    let refuse = || Block::open(&path, &PageCache::new(0)).err().unwrap();
    let file = path.join(writer::FILE_NAME);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 10]).unwrap();
    assert!(matches!(refuse(), BlockError::NotABlock { .. }), "torn");
    let mut newer = bytes;
    newer[7] = 9;
    newer.truncate(newer.len() - 9);
    std::fs::write(&file, &newer).unwrap();
    assert!(matches!(refuse(), BlockError::Version { found: 9, .. }));
    std::fs::write(&file, b"hello, world").unwrap();
    assert!(matches!(refuse(), BlockError::NotABlock { .. }));
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(refuse(), BlockError::NotABlock { .. }), "empty");
}

#[test]
fn series_out_of_order_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = BlockWriter::create(&dir.path().join("b"), BlockOptions::hot()).unwrap();
    let one = SeriesColumns {
        times_ms: vec![1],
        values: vec![1.0],
        ..SeriesColumns::default()
    };
    writer.add_series(&labels(&[("a", "2")]), &one).unwrap();
    let error = writer.add_series(&labels(&[("a", "1")]), &one).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"series {a="1"} does not come after the one before it"#
    );
    let backward = SeriesColumns {
        times_ms: vec![2, 1],
        values: vec![1.0, 1.0],
        ..SeriesColumns::default()
    };
    let error = writer.add_series(&labels(&[("a", "3")]), &backward).unwrap_err();
    assert!(matches!(error, BlockError::Columns { .. }));
}

#[test]
fn tiers_are_read_like_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let points: Vec<TierPoint> = (1..300)
        .map(|i| TierPoint {
            t_ms: i * 300_000,
            min: 0.25,
            max: i as f64,
            sum: i as f64 * 20.0,
            count: 20,
            last: i as f64 - 0.5,
            increase: 1.0,
        })
        .collect();
    let mut model = Model::new();
    let columns = SeriesColumns {
        tier: points.clone(),
        ..SeriesColumns::default()
    };
    model.insert(labels(&[("__name__", "x")]), columns);
    let meta = write(&dir.path().join("t"), BlockOptions::tier(300_000), &model);
    assert_eq!((meta.tier_points, meta.resolution_ms), (299, 300_000));
    let block = open(&dir.path().join("t"));
    check_all(&block, &model);
    let series = block.select(&[], 600_000, 900_000).unwrap();
    let mut out = SeriesColumns::default();
    block.read(&series[0], (600_000, 900_000), &mut out).unwrap();
    assert_eq!(out.tier, points[1..3]);
}

#[test]
fn a_tier_of_two_stretches_is_the_tier_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let model = fleet(2, 300);
    let (resolution_ms, from) = (300_000, 1_700_000_000_000);
    let end = crate::metrics::tier::bucket_end_ms(from + 2_000_000, resolution_ms);
    let part = |start, end| -> Model {
        let cut = model.iter().map(|(l, c)| (l.clone(), cut(c, start, end)));
        cut.filter(|(_, c)| !c.is_empty()).collect()
    };
    let block = |name: &str, model: &Model| {
        write(&dir.path().join(name), BlockOptions::hot(), model);
        open(&dir.path().join(name))
    };
    let whole = block("whole", &part(0, i64::MAX));
    let (early, late) = (
        block("early", &part(0, end)),
        block("late", &part(end + 1, i64::MAX)),
    );
    let tier = |name: &str, of: &Arc<Block>, before: Option<&Block>| {
        let range = TierRange {
            after_ms: if before.is_some() { end } else { 0 },
            until_ms: i64::MAX,
            resolution_ms,
        };
        let meta = downsample(std::slice::from_ref(of), before, &dir.path().join(name), range).unwrap();
        assert_eq!(meta.resolution_ms, resolution_ms);
        open(&dir.path().join(name))
    };
    let expect = tier("tier", &whole, None);
    let first = tier("tier-early", &early, None);
    let second = tier("tier-late", &late, Some(&first));
    let parts = [first, second];
    merge(
        &parts,
        &dir.path().join("merged"),
        BlockOptions::tier(resolution_ms),
        &[],
        OnDamage::Stop,
    )
    .unwrap();
    let merged = open(&dir.path().join("merged"));
    assert!(merged.meta().tier_points > 100);
    let read = |block: &Block| -> Vec<(Labels, String)> {
        let all = block.series().map(|series| {
            let (series, mut out) = (series.unwrap(), SeriesColumns::default());
            block.read(&series, (i64::MIN, i64::MAX), &mut out).unwrap();
            (series.labels, text(&out))
        });
        all.collect()
    };
    assert_eq!(read(&merged), read(&expect));
}

#[test]
fn a_lost_directory_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    let model = fleet(2, 50);
    write(&path, BlockOptions::hot(), &model);
    let file = path.join(writer::FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    let len = bytes.len();
    bytes[len - 20..].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    let block = open(&path);
    let report = block.verify().unwrap();
    assert!(report.frame_damaged && report.losses_count == 0 && report.damaged_pages.is_empty());
    let found = block.select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(found.iter().map(|s| &s.labels).eq(model.keys()));
}
