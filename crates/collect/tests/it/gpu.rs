//! GPUs that work, fail and fall off the bus, as a driver would tell it.

use lapwing_collect::gpu::{EccErrors, MigInstance, ProcessMemory, RemappedRows};
use lapwing_collect::gpu::{GpuCollector, GpuError, GpuIdentity, GpuOptions, GpuReading, GpuSource, Xid};
use lapwing_types::WriteBatch;
use std::sync::{Arc, Mutex};

type Readings = Result<Vec<GpuReading>, GpuError>;

/// What the next reading finds.
#[derive(Clone)]
struct Driver(Arc<Mutex<(Readings, Vec<Xid>)>>);

impl GpuSource for Driver {
    fn read(&mut self) -> Readings {
        self.0.lock().unwrap().0.clone()
    }

    fn xids(&mut self) -> Vec<Xid> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

fn gpu(index: u32) -> GpuReading {
    GpuReading {
        identity: GpuIdentity {
            index,
            uuid: format!("GPU-{index}"),
            pci_bus_id: format!("00000000:0{index}:00.0"),
            model: "NVIDIA H200".to_owned(),
            driver_version: "570.1".to_owned(),
        },
        ..GpuReading::default()
    }
}

/// The value of the series with this name and these labels; `None` when there is none.
fn value(batch: &WriteBatch, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let found = batch.series.iter().find(|s| {
        s.labels.metric_name() == Some(name) && labels.iter().all(|(n, v)| s.labels.get(n) == Some(v))
    });
    found.map(|s| s.samples[0].value)
}

fn collector(driver: &Driver, expected: Option<u32>) -> GpuCollector {
    let options = GpuOptions {
        root: "/no/such/root".into(),
        labels: vec![("hostname".to_owned(), "h1".to_owned())],
        expected,
    };
    GpuCollector::new(Box::new(driver.clone()), options)
}

fn driver(readings: Vec<GpuReading>) -> Driver {
    Driver(Arc::new(Mutex::new((Ok(readings), Vec::new()))))
}

#[test]
fn numbers_stand_under_the_names_that_dashboards_ask_for() {
    let reading = GpuReading {
        utilization_percent: Some(50),
        memory_total_bytes: Some(4 << 30),
        memory_used_bytes: Some(1 << 30),
        power_milliwatts: Some(350_500),
        energy_millijoules: Some(123_456),
        throttle_reasons: Some(0x4),
        violations_ns: [("power", 2_500_000_000)].into(),
        ecc: Some(EccErrors {
            uncorrected_volatile: 3,
            ..EccErrors::default()
        }),
        remapped_rows: Some(RemappedRows {
            failed: true,
            ..RemappedRows::default()
        }),
        mig_enabled: Some(true),
        mig_instances: vec![MigInstance {
            index: 2,
            profile: "1g.18gb".to_owned(),
            memory_total_bytes: Some(18),
            ..MigInstance::default()
        }],
        processes: vec![
            ProcessMemory {
                pid: 1,
                memory_bytes: Some(5),
            },
            ProcessMemory {
                pid: 2,
                memory_bytes: Some(6),
            },
        ],
        ..gpu(0)
    };
    let batch = collector(&driver(vec![reading]), None).collect(1);
    let gpu0 = [
        ("gpu", "0"),
        ("UUID", "GPU-0"),
        ("device", "nvidia0"),
        ("modelName", "NVIDIA H200"),
        ("hostname", "h1"),
    ];
    for (name, expect) in [
        ("DCGM_FI_DEV_GPU_UTIL", Some(50.0)),
        ("DCGM_FI_DEV_FB_USED", Some(1024.0)),
        ("DCGM_FI_DEV_POWER_USAGE", Some(350.5)),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Some(123_456.0)),
        ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", Some(3.0)),
        ("DCGM_FI_DEV_ROW_REMAP_FAILURE", Some(1.0)),
        ("gpu_usage", Some(0.5)),
        ("gpu_memory_usage", Some(0.25)),
        ("gpu_lost", Some(0.0)),
        ("DCGM_FI_DEV_GPU_TEMP", None),
    ] {
        assert_eq!(value(&batch, name, &gpu0), expect, "{name}");
    }
    let throttled = |reason| value(&batch, "gpu_throttled", &[("reason", reason)]);
    assert_eq!(
        (throttled("sw_power_cap"), throttled("hw_slowdown")),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(
        value(&batch, "gpu_violation_seconds_total", &[("policy", "power")]),
        Some(2.5)
    );
    assert_eq!(
        value(&batch, "gpu_mig_memory_bytes", &[("GPU_I_PROFILE", "1g.18gb")]),
        Some(18.0)
    );
    assert_eq!(
        value(&batch, "gpu_process_memory_bytes", &[("process", "unknown")]),
        Some(11.0)
    );
    assert_eq!(
        value(&batch, "gpu_processes", &[("process", "unknown")]),
        Some(2.0)
    );
}

#[test]
fn the_same_xid_twice_is_two_events() {
    let driver = driver(vec![gpu(0)]);
    let mut collector = collector(&driver, None);
    let count = |batch: &WriteBatch| value(batch, "gpu_xid_errors_total", &[("xid", "79"), ("gpu", "0")]);
    assert_eq!(
        count(&collector.collect(1)),
        Some(0.0),
        "there before the first event"
    );
    for _ in 0..2 {
        driver.0.lock().unwrap().1.push(Xid {
            uuid: "GPU-0".to_owned(),
            code: 79,
        });
        collector.collect(2);
    }
    let batch = collector.collect(3);
    assert_eq!(count(&batch), Some(2.0));
    assert_eq!(value(&batch, "DCGM_FI_DEV_XID_ERRORS", &[]), Some(79.0));
}

#[test]
fn a_gpu_that_falls_off_the_bus_is_missed_by_name() {
    let driver = driver(vec![gpu(0), gpu(1)]);
    let mut collector = collector(&driver, None);
    collector.collect(1);
    driver.0.lock().unwrap().0 = Ok(vec![gpu(0)]);
    let batch = collector.collect(2);
    let lost = |batch: &WriteBatch, gpu| value(batch, "gpu_lost", &[("gpu", gpu)]);
    assert_eq!((lost(&batch, "0"), lost(&batch, "1")), (Some(0.0), Some(1.0)));
    assert_eq!(value(&batch, "gpu_count_present", &[]), Some(1.0));
    assert_eq!(value(&batch, "gpu_count_expected", &[]), Some(2.0));
    driver.0.lock().unwrap().0 = Err(GpuError::Lost {
        detail: "reset".to_owned(),
    });
    let batch = collector.collect(3);
    assert_eq!((lost(&batch, "0"), lost(&batch, "1")), (Some(1.0), Some(1.0)));
    assert_eq!(
        collector.failure().unwrap().to_string(),
        "the driver does not answer: reset"
    );
    driver.0.lock().unwrap().0 = Ok(vec![gpu(0), gpu(1)]);
    assert_eq!(lost(&collector.collect(4), "1"), Some(0.0));
}

#[test]
fn a_gpu_that_never_came_up_is_missed_by_number() {
    let batch = collector(&driver(vec![gpu(0)]), Some(8)).collect(1);
    assert_eq!(value(&batch, "gpu_count_expected", &[]), Some(8.0));
    let root = tempfile::tempdir().unwrap();
    for (device, vendor, class) in [
        ("a", "0x10de", "0x030200"),
        ("b", "0x10de", "0x030200"),
        ("c", "0x8086", "0x030000"),
        ("d", "0x10de", "0x040300"),
    ] {
        let folder = root.path().join("sys/bus/pci/devices").join(device);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("vendor"), vendor).unwrap();
        std::fs::write(folder.join("class"), class).unwrap();
    }
    let options = GpuOptions {
        root: root.path().to_owned(),
        ..GpuOptions::default()
    };
    let batch = GpuCollector::new(Box::new(driver(vec![gpu(0)])), options).collect(1);
    assert_eq!(value(&batch, "gpu_count_expected", &[]), Some(2.0));
}
