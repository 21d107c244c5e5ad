//! A fleet of hosts that serve models, deterministic in its seed: the same seed, host and step give the same bits.
//!
//! Every host has [`SERIES_PER_HOST`] series in the mix that a scrape of a host, its GPUs and a model server gives: whole
//! counters, counters of seconds, cumulative histograms, decimal gauges, gauges with the noise of an f32, whole gauges,
//! constants, and error counters that hardly ever move. What a value looks like decides what a store can make of it, so
//! the shares matter more than the names.

/// Labels are `(name, value)`, sorted by name, the metric's name among them.
pub(crate) type Labels = Vec<(String, String)>;

pub(crate) const SERIES_PER_HOST: usize = 100;

const LATENCY_BOUNDS: [&str; 19] = [
    "0.05", "0.1", "0.2", "0.3", "0.5", "0.8", "1", "1.5", "2", "3", "5", "8", "12", "20", "30", "60", "120",
    "240", "+Inf",
];
const CODES: [&str; 8] = ["200", "201", "400", "404", "429", "500", "502", "503"];
const ZONES: [&str; 4] = ["north", "east", "south", "west"];
const MODES: [&str; 8] = [
    "user", "system", "idle", "iowait", "irq", "softirq", "nice", "steal",
];
const CPUS: usize = 4;
const GPUS: usize = 2;

/// How the values of a series move.
#[derive(Clone, Copy, Debug)]
enum Motion {
    /// A whole counter that grows by about this much a step.
    Count(f64),
    /// A counter of seconds in hundredths.
    Seconds(f64),
    /// The buckets of a histogram from here on share one set of observations; this is bucket number so-and-so.
    Bucket(usize),
    /// A gauge in steps of a tenth that walks between two bounds.
    Decimal(f64, f64),
    /// A gauge computed in f32 and widened, as many exporters do.
    Noise(f64),
    /// A whole gauge that jumps.
    Whole(f64),
    Constant(f64),
    /// Zero for hours, then one more.
    Rare,
}

struct Host {
    labels: Vec<Labels>,
    motions: Vec<Motion>,
    values: Vec<f64>,
    random: Random,
}

pub(crate) struct Fleet {
    hosts: Vec<Host>,
}

impl Fleet {
    pub(crate) fn new(hosts: usize, seed: u64) -> Fleet {
        Fleet {
            hosts: (0..hosts).map(|n| Host::new(n, seed)).collect(),
        }
    }

    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn labels(&self, host: usize) -> &[Labels] {
        &self.hosts[host].labels
    }

    /// Moves a host on by one step and returns its values, one per series.
    pub(crate) fn step(&mut self, host: usize) -> &[f64] {
        self.hosts[host].step()
    }
}

impl Host {
    fn new(number: usize, seed: u64) -> Host {
        let mut host = Host {
            labels: Vec::with_capacity(SERIES_PER_HOST),
            motions: Vec::with_capacity(SERIES_PER_HOST),
            values: Vec::new(),
            random: Random(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        };
        let name = format!("host-{number:05}");
        let zone = ZONES[number % ZONES.len()];
        let mut add = |motion: Motion, metric: &str, more: &[(&str, &str)]| {
            let base = [
                ("__name__", metric),
                ("instance", &name),
                ("job", "bench"),
                ("zone", zone),
            ];
            let mut labels: Labels = base
                .iter()
                .chain(more)
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            labels.sort();
            host.labels.push(labels);
            host.motions.push(motion);
        };
        machine(&mut add);
        gpus(&mut add);
        model_server(&mut add);
        host.values = host
            .motions
            .iter()
            .map(|m| first_value(*m, &mut host.random))
            .collect();
        host
    }

    fn step(&mut self) -> &[f64] {
        let requests = 1 + self.random.below(40);
        let mut cumulative = 0.0;
        for (value, motion) in self.values.iter_mut().zip(&self.motions) {
            let random = &mut self.random;
            match *motion {
                Motion::Count(mean) => *value += (mean * random.unit() * 2.0).round(),
                Motion::Seconds(mean) => {
                    *value = ((*value + mean * random.unit() * 2.0) * 100.0).round() / 100.0;
                }
                Motion::Bucket(number) => {
                    let share = bucket_share(number) * requests as f64;
                    let below = if number + 1 == LATENCY_BOUNDS.len() {
                        requests as f64
                    } else {
                        share.floor()
                    };
                    cumulative = below.max(cumulative).min(requests as f64);
                    *value += cumulative;
                    if number + 1 == LATENCY_BOUNDS.len() {
                        cumulative = 0.0;
                    }
                }
                Motion::Decimal(low, high) => {
                    let walked = *value + (random.unit() - 0.5) * (high - low) * 0.05;
                    *value = (walked.clamp(low, high) * 10.0).round() / 10.0;
                }
                Motion::Noise(scale) => *value = f64::from((random.unit() * scale) as f32),
                Motion::Whole(most) => {
                    if random.below(3) == 0 {
                        *value = (random.unit() * most).floor();
                    }
                }
                Motion::Constant(_) => {}
                Motion::Rare => *value += f64::from(u8::from(random.below(2_000) == 0)),
            }
        }
        &self.values
    }
}

type Add<'a> = &'a mut dyn FnMut(Motion, &str, &[(&str, &str)]);

/// 45 series: the machine itself.
fn machine(add: Add<'_>) {
    for cpu in 0..CPUS {
        let cpu = cpu.to_string();
        for (i, mode) in MODES.iter().enumerate() {
            let motion = if i < 3 {
                Motion::Seconds(1.5)
            } else {
                Motion::Seconds(0.02)
            };
            add(motion, "node_cpu_seconds_total", &[("cpu", &cpu), ("mode", mode)]);
        }
    }
    add(Motion::Decimal(0.0, 16.0), "node_load1", &[]);
    add(Motion::Decimal(0.0, 16.0), "node_load5", &[]);
    add(Motion::Whole(6e10), "node_memory_MemAvailable_bytes", &[]);
    add(
        Motion::Constant(134_217_728_000.0),
        "node_memory_MemTotal_bytes",
        &[],
    );
    add(Motion::Constant(1_767_225_600.0), "node_boot_time_seconds", &[]);
    for device in ["eth0", "eth1"] {
        add(
            Motion::Count(2e6),
            "node_network_receive_bytes_total",
            &[("device", device)],
        );
        add(
            Motion::Count(1e6),
            "node_network_transmit_bytes_total",
            &[("device", device)],
        );
        add(
            Motion::Rare,
            "node_network_receive_errs_total",
            &[("device", device)],
        );
        add(Motion::Constant(1.0), "node_network_up", &[("device", device)]);
    }
}

/// 16 series: eight for each GPU.
fn gpus(add: Add<'_>) {
    for gpu in 0..GPUS {
        let gpu = gpu.to_string();
        let label: &[(&str, &str)] = &[("gpu", &gpu)];
        add(Motion::Whole(101.0), "DCGM_FI_DEV_GPU_UTIL", label);
        add(Motion::Whole(81_000.0), "DCGM_FI_DEV_FB_USED", label);
        add(Motion::Decimal(40.0, 85.0), "DCGM_FI_DEV_GPU_TEMP", label);
        add(Motion::Decimal(80.0, 700.0), "DCGM_FI_DEV_POWER_USAGE", label);
        add(
            Motion::Count(8_000.0),
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
            label,
        );
        add(Motion::Rare, "DCGM_FI_DEV_XID_ERRORS", label);
        add(Motion::Noise(1.0), "DCGM_FI_PROF_SM_ACTIVE", label);
        add(Motion::Noise(1.0), "DCGM_FI_PROF_DRAM_ACTIVE", label);
    }
}

/// 39 series: the model server and the quality of what it says.
fn model_server(add: Add<'_>) {
    let model: &[(&str, &str)] = &[("model_name", "chat")];
    for (number, bound) in LATENCY_BOUNDS.iter().enumerate() {
        add(
            Motion::Bucket(number),
            "vllm:e2e_request_latency_seconds_bucket",
            &[("le", bound), model[0]],
        );
    }
    add(
        Motion::Seconds(20.0),
        "vllm:e2e_request_latency_seconds_sum",
        model,
    );
    add(
        Motion::Count(20.0),
        "vllm:e2e_request_latency_seconds_count",
        model,
    );
    for (i, code) in CODES.iter().enumerate() {
        let motion = if i < 2 { Motion::Count(90.0) } else { Motion::Rare };
        add(motion, "http_requests_total", &[("code", code)]);
    }
    add(Motion::Count(4_000.0), "vllm:generation_tokens_total", model);
    add(Motion::Count(9_000.0), "vllm:prompt_tokens_total", model);
    add(Motion::Whole(12.0), "vllm:num_requests_waiting", model);
    add(Motion::Whole(64.0), "vllm:num_requests_running", model);
    add(Motion::Noise(1.0), "vllm:kv_cache_usage_perc", model);
    add(
        Motion::Noise(0.3),
        "ml_feature_drift_psi",
        &[("feature", "length")],
    );
    add(
        Motion::Noise(0.3),
        "ml_feature_drift_psi",
        &[("feature", "language")],
    );
    add(
        Motion::Noise(0.3),
        "ml_feature_drift_psi",
        &[("feature", "topic")],
    );
    add(Motion::Decimal(0.0, 100.0), "ml_accuracy_percent", model);
    add(Motion::Constant(1.0), "up", &[]);
}

fn first_value(motion: Motion, random: &mut Random) -> f64 {
    match motion {
        Motion::Count(mean) => (mean * 1_000.0 * random.unit()).round(),
        Motion::Seconds(mean) => (mean * 1e5 * random.unit()).round() / 100.0,
        Motion::Decimal(low, high) => ((low + (high - low) * random.unit()) * 10.0).round() / 10.0,
        Motion::Whole(most) => (random.unit() * most).floor(),
        Motion::Constant(value) => value,
        Motion::Bucket(_) | Motion::Noise(_) | Motion::Rare => 0.0,
    }
}

/// The share of requests that are done by the bucket's bound: slow at both ends, most in the middle.
fn bucket_share(number: usize) -> f64 {
    let x = number as f64 / (LATENCY_BOUNDS.len() - 1) as f64;
    x * x * (3.0 - 2.0 * x)
}

/// SplitMix64: small, quick, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not including 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_hundred_distinct_sorted_series() {
        let fleet = Fleet::new(2, 1);
        for host in 0..fleet.hosts() {
            let mut all = fleet.labels(host).to_vec();
            assert_eq!(all.len(), SERIES_PER_HOST);
            assert!(all.iter().all(|l| l.is_sorted()));
            all.sort();
            all.dedup();
            assert_eq!(all.len(), SERIES_PER_HOST);
        }
        assert_ne!(fleet.labels(0), fleet.labels(1));
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_another_gives_others() {
        let after = |seed| {
            let mut fleet = Fleet::new(1, seed);
            (0..50).for_each(|_| drop(fleet.step(0).to_vec()));
            fleet.step(0).iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(after(7), after(7));
        assert_ne!(after(7), after(8));
    }

    #[test]
    fn counters_never_fall_and_buckets_are_cumulative() {
        let mut fleet = Fleet::new(1, 3);
        let names: Vec<Labels> = fleet.labels(0).to_vec();
        let is = |i: usize, end: &str| names[i][0].1.ends_with(end);
        let mut before = fleet.step(0).to_vec();
        for _ in 0..200 {
            let now = fleet.step(0).to_vec();
            for i in 0..SERIES_PER_HOST {
                if is(i, "_total") || is(i, "_bucket") {
                    assert!(now[i] >= before[i], "{:?}", names[i]);
                }
                if i > 0 && is(i, "_bucket") && is(i - 1, "_bucket") {
                    assert!(now[i] >= now[i - 1], "{:?}", names[i]);
                }
            }
            before = now;
        }
    }
}
