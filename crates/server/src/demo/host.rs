//! The host that the models run on, in node_exporter's names.

use super::exposition::Family;
use super::story::Moment;

const CORES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
const MEMORY_BYTES: f64 = 512.0 * 1024.0 * 1024.0 * 1024.0;
const DISK_BYTES: f64 = 3.5e12;

#[derive(Debug, Default)]
pub(super) struct Host {
    idle_s: [f64; 8],
    user_s: [f64; 8],
    system_s: [f64; 8],
    memory: f64,
    disk: f64,
    load: f64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
    io_s: f64,
}

impl Host {
    pub(super) fn step(&mut self, now: &Moment, dt_s: f64) {
        let busy = 0.16 + 0.3 * now.daylight() + 0.05 * now.noise(51, 120_000);
        for (i, idle) in self.idle_s.iter_mut().enumerate() {
            let core = (busy * (1.0 + 0.25 * now.noise(60 + i as u64, 90_000))).clamp(0.0, 1.0);
            *idle += dt_s * (1.0 - core);
            self.user_s[i] += dt_s * core * 0.78;
            self.system_s[i] += dt_s * core * 0.22;
        }
        self.load = busy * 8.0 * 1.1;
        self.memory = 0.41 + 0.06 * now.daylight() + 0.01 * now.noise(52, 900_000);
        // A log that nobody rotates: two thirds of a percent an hour.
        let hours = (now.t_ms.rem_euclid(48 * 3_600_000)) as f64 / 3_600_000.0;
        self.disk = 0.52 + hours * 0.0066;
        let traffic = now.daylight() * (1.0 + 0.2 * now.noise(53, 60_000)) * dt_s;
        self.received += 9.5e6 * traffic;
        self.sent += 31e6 * traffic;
        self.read += 2.1e6 * traffic;
        self.written += 6.4e6 * traffic;
        self.io_s += 0.07 * traffic;
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let mut cpu = Family::counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
        for (i, core) in CORES.iter().enumerate() {
            cpu.push(&[("cpu", core), ("mode", "idle")], self.idle_s[i]);
            cpu.push(&[("cpu", core), ("mode", "user")], self.user_s[i]);
            cpu.push(&[("cpu", core), ("mode", "system")], self.system_s[i]);
        }
        let root = [
            ("device", "/dev/nvme0n1p2"),
            ("fstype", "ext4"),
            ("mountpoint", "/"),
        ];
        let (net, disk) = ([("device", "eth0")], [("device", "nvme0n1")]);
        let gauge = |name, value| Family::gauge(name, "As node_exporter has it.").with(&[], value);
        let counter = |name, labels: &[(&'static str, &str)], value: f64| {
            Family::counter(name, "As node_exporter has it.").with(labels, value)
        };
        vec![
            cpu,
            gauge("node_load1", self.load),
            gauge("node_load5", self.load * 0.97),
            gauge("node_load15", self.load * 0.93),
            gauge("node_memory_MemTotal_bytes", MEMORY_BYTES),
            gauge(
                "node_memory_MemAvailable_bytes",
                (MEMORY_BYTES * (1.0 - self.memory)).floor(),
            ),
            gauge("node_procs_running", self.load.round().max(1.0)),
            gauge("node_procs_blocked", 0.0),
            Family::gauge("node_filesystem_size_bytes", "Filesystem size in bytes.").with(&root, DISK_BYTES),
            Family::gauge("node_filesystem_free_bytes", "Filesystem space free.")
                .with(&root, (DISK_BYTES * (1.0 - self.disk)).floor()),
            Family::gauge("node_filesystem_avail_bytes", "Filesystem space available.")
                .with(&root, (DISK_BYTES * (1.0 - self.disk)).floor()),
            counter("node_network_receive_bytes_total", &net, self.received.floor()),
            counter("node_network_transmit_bytes_total", &net, self.sent.floor()),
            counter("node_disk_read_bytes_total", &disk, self.read.floor()),
            counter("node_disk_written_bytes_total", &disk, self.written.floor()),
            counter("node_disk_io_time_seconds_total", &disk, self.io_s),
        ]
    }
}
