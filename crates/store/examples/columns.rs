//! Bytes and nanoseconds per sample of the column codecs on a mix that a fleet of model servers gives.
//!
//! `cargo run --release -p lapwing-store --example columns [SAMPLES]`: each kind of series is written as hot columns of 120
//! samples and as one cold column, read back, and compared bit for bit. Classic histograms are also written as groups.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures; nothing of Lapwing runs in here"
)]

use lapwing_store::metrics::codec::{Effort, cold, values};
use std::time::{Duration, Instant};

const HOT_LEN: usize = 120;
const SERIES_PER_KIND: usize = 50;
/// Samples that stand for one of a hundred series in the mix.
const PRECISION: usize = 1_000_000;

/// Bytes and time of one way of writing. Times are medians over columns: the machine has other things to do as well.
#[derive(Default)]
struct Tally {
    samples: usize,
    bytes: usize,
    encoding_ns: f64,
    decoding_ns: f64,
}

impl Tally {
    fn of(runs: &[Run]) -> Self {
        let samples: usize = runs.iter().map(|r| r.samples).sum();
        let median = |time: fn(&Run) -> Duration| {
            let per_sample = runs.iter().map(|r| time(r).as_nanos() as f64 / r.samples as f64);
            let mut per_sample: Vec<f64> = per_sample.collect();
            per_sample.sort_by(f64::total_cmp);
            per_sample[per_sample.len() / 2]
        };
        Tally {
            samples,
            bytes: runs.iter().map(|r| r.bytes).sum(),
            encoding_ns: median(|r| r.encoding) * samples as f64,
            decoding_ns: median(|r| r.decoding) * samples as f64,
        }
    }

    /// Adds a kind that has `share` of a hundred series.
    fn add(&mut self, kind: &Tally, share: usize) {
        let weight = |total: f64| total * share as f64 / kind.samples as f64;
        self.samples += share * PRECISION;
        self.bytes += (weight(kind.bytes as f64) * PRECISION as f64) as usize;
        self.encoding_ns += weight(kind.encoding_ns) * PRECISION as f64;
        self.decoding_ns += weight(kind.decoding_ns) * PRECISION as f64;
    }

    fn show(&self) -> String {
        let per_sample = |total: f64| total / self.samples as f64;
        format!(
            "{:6.3} B {:6.1} ns in {:5.1} ns out",
            per_sample(self.bytes as f64),
            per_sample(self.encoding_ns),
            per_sample(self.decoding_ns)
        )
    }
}

/// One column or group, written and read back.
struct Run {
    samples: usize,
    bytes: usize,
    encoding: Duration,
    decoding: Duration,
}

/// A small generator of its own, so that every run measures the same numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, mean 0, deviation 1.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

type Maker = fn(&mut Noise, usize) -> Vec<f64>;

/// Kinds of series, and how many of a hundred are such.
const MIX: [(&str, usize, Maker); 10] = [
    ("constant", 10, |noise, len| {
        vec![noise.below(1 << 40) as f64; len]
    }),
    ("mostly zero", 10, |noise, len| {
        (0..len)
            .map(|_| {
                if noise.below(200) == 0 {
                    noise.below(9) as f64
                } else {
                    0.0
                }
            })
            .collect()
    }),
    ("counter", 18, |noise, len| {
        let rate = 10f64.powf(noise.unit() * 5.0);
        running(
            len,
            noise.below(1 << 38),
            |n| (rate + rate.sqrt() * n.bell()).max(0.0) as u64,
            noise,
        )
    }),
    ("counter with resets", 2, |noise, len| {
        let mut column = running(len, 0, |n| n.below(40), noise);
        let base = column[len / 2];
        column[len / 2..].iter_mut().for_each(|v| *v -= base);
        column
    }),
    ("decimal counter", 10, |noise, len| {
        running(len, noise.below(50_000_000), |n| n.below(300), noise)
            .iter()
            .map(|v| v / 100.0)
            .collect()
    }),
    ("decimal gauge", 8, |noise, len| {
        let mut x = 50.0;
        (0..len)
            .map(|_| {
                x += (50.0 - x) * 0.05 + noise.bell();
                (x * 100.0).round() / 100.0
            })
            .collect()
    }),
    ("integer gauge", 8, |noise, len| {
        (0..len)
            .map(|_| (40.0 + 8.0 * noise.bell()).round().max(0.0))
            .collect()
    }),
    ("ratio", 1, |noise, len| {
        (0..len).map(|_| noise.below(27_291) as f64 / 27_291.0).collect()
    }),
    ("float noise", 2, |noise, len| {
        (0..len).map(|_| 0.01 + 0.004 * noise.unit()).collect()
    }),
    ("32-bit float", 1, |noise, len| {
        (0..len)
            .map(|_| f64::from((0.3 + 0.02 * noise.bell()) as f32))
            .collect()
    }),
];
/// Of a hundred series, so many are buckets of classic histograms.
const BUCKET_SHARE: usize = 30;
const BUCKETS: usize = 15;

fn running(len: usize, start: u64, step: impl Fn(&mut Noise) -> u64, noise: &mut Noise) -> Vec<f64> {
    let mut sum = start;
    (0..len)
        .map(|_| {
            sum += step(noise);
            sum as f64
        })
        .collect()
}

/// Cumulative buckets, the total first and then ascending.
fn histogram(noise: &mut Noise, len: usize) -> Vec<Vec<f64>> {
    let rate = noise.below(60) + 1;
    let mut counts = [0u64; BUCKETS];
    let mut members = vec![Vec::new(); BUCKETS];
    for _ in 0..len {
        for _ in 0..rate {
            let at = (BUCKETS as f64 / 2.0 + 2.0 * noise.bell()).clamp(0.0, BUCKETS as f64 - 1.0);
            counts[at as usize] += 1;
        }
        let mut sum = 0;
        for (member, count) in members.iter_mut().zip(&counts) {
            sum += count;
            member.push(sum as f64);
        }
    }
    members.rotate_right(1);
    members
}

fn measure(column: &[f64], chunk: usize, effort: Effort) -> Run {
    let mut bytes = Vec::new();
    let begin = Instant::now();
    for part in column.chunks(chunk) {
        values::encode(part, effort, &mut bytes);
    }
    let encoding = begin.elapsed();
    let mut out = Vec::with_capacity(column.len());
    let begin = Instant::now();
    let mut rest = bytes.as_slice();
    for part in column.chunks(chunk) {
        let taken = values::decode(rest, part.len(), &mut out).expect("what was encoded");
        rest = &rest[taken..];
    }
    let decoding = begin.elapsed();
    assert!(
        out.iter()
            .map(|v| v.to_bits())
            .eq(column.iter().map(|v| v.to_bits()))
    );
    Run {
        samples: column.len(),
        bytes: bytes.len(),
        encoding,
        decoding,
    }
}

fn measure_group(members: &[Vec<f64>]) -> Run {
    let slices: Vec<&[f64]> = members.iter().map(Vec::as_slice).collect();
    let mut bytes = Vec::new();
    let begin = Instant::now();
    assert!(cold::encode_buckets(&slices, &mut bytes), "buckets are integers");
    let encoding = begin.elapsed();
    let mut out = Vec::new();
    let begin = Instant::now();
    cold::decode_buckets(&bytes, members[0].len(), &mut out).expect("what was encoded");
    let decoding = begin.elapsed();
    assert!(out.iter().eq(members.iter().flatten()));
    Run {
        samples: out.len(),
        bytes: bytes.len(),
        encoding,
        decoding,
    }
}

fn main() {
    let len = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1440);
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let (mut hot_all, mut cold_all) = (Tally::default(), Tally::default());
    let show = |name: &str, hot: &Tally, cold: &Tally| {
        println!("{name:20} hot {}   cold {}", hot.show(), cold.show());
    };
    for (name, share, make) in MIX {
        let columns: Vec<Vec<f64>> = (0..SERIES_PER_KIND).map(|_| make(&mut noise, len)).collect();
        let runs =
            |chunk, effort| -> Vec<Run> { columns.iter().map(|c| measure(c, chunk, effort)).collect() };
        let hot = Tally::of(&runs(HOT_LEN, Effort::Fast));
        let cold = Tally::of(&runs(len, Effort::Small));
        hot_all.add(&hot, share);
        cold_all.add(&cold, share);
        show(name, &hot, &cold);
    }
    let groups: Vec<Vec<Vec<f64>>> = (0..8).map(|_| histogram(&mut noise, len)).collect();
    let hot = groups.iter().flatten().map(|m| measure(m, HOT_LEN, Effort::Fast));
    let hot = Tally::of(&hot.collect::<Vec<_>>());
    let cold = Tally::of(&groups.iter().map(|g| measure_group(g)).collect::<Vec<_>>());
    hot_all.add(&hot, BUCKET_SHARE);
    cold_all.add(&cold, BUCKET_SHARE);
    show("histogram buckets", &hot, &cold);
    show("the mix", &hot_all, &cold_all);
}
