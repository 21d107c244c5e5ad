//! Sensors of the mainboard and its chips, from `/sys/class/hwmon`: temperatures, fans, voltages, currents, power.
//!
//! Chips are called as node_exporter calls them: after the device that they hang on, which stays over restarts, and not
//! after the number that the kernel happened to give.

use super::collector::HostState;
use super::root::HostError;
use crate::page::Page;

/// Kind of file and attribute, the series, its help, and by what the number is divided.
const SENSORS: [(&str, &str, &str, &str, f64); 13] = [
    ("temp", "input", "node_hwmon_temp_celsius", "Temperature.", 1e3),
    (
        "temp",
        "max",
        "node_hwmon_temp_max_celsius",
        "Temperature that should not be passed.",
        1e3,
    ),
    (
        "temp",
        "crit",
        "node_hwmon_temp_crit_celsius",
        "Temperature at which damage begins.",
        1e3,
    ),
    (
        "fan",
        "input",
        "node_hwmon_fan_rpm",
        "Turns of a fan per minute.",
        1.0,
    ),
    (
        "fan",
        "min",
        "node_hwmon_fan_min_rpm",
        "Turns per minute below which a fan has failed.",
        1.0,
    ),
    ("in", "input", "node_hwmon_in_volts", "Voltage.", 1e3),
    (
        "in",
        "min",
        "node_hwmon_in_min_volts",
        "Lowest good voltage.",
        1e3,
    ),
    (
        "in",
        "max",
        "node_hwmon_in_max_volts",
        "Highest good voltage.",
        1e3,
    ),
    ("curr", "input", "node_hwmon_curr_amps", "Current.", 1e3),
    ("power", "input", "node_hwmon_power_watt", "Power.", 1e6),
    (
        "power",
        "average",
        "node_hwmon_power_average_watt",
        "Power on average.",
        1e6,
    ),
    (
        "energy",
        "input",
        "node_hwmon_energy_joule_total",
        "Energy used.",
        1e6,
    ),
    (
        "humidity",
        "input",
        "node_hwmon_humidity",
        "Relative humidity.",
        1e6,
    ),
];

struct Chip {
    name: String,
    folder: String,
    files: Vec<String>,
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let base = "sys/class/hwmon";
    let mut chips = Vec::new();
    for number in state.root.list(base) {
        let outer = format!("{base}/{number}");
        // Old drivers keep their files with the device.
        let inner = format!("{outer}/device");
        let has_sensors = |folder: &str| state.root.list(folder).iter().any(|f| split(f).is_some());
        let folder = if has_sensors(&outer) || !has_sensors(&inner) {
            outer.clone()
        } else {
            inner.clone()
        };
        chips.push(Chip {
            name: chip_name(state, &outer, &number),
            files: state.root.list(&folder),
            folder,
        });
    }
    for (kind, attribute, name, help, divisor) in SENSORS {
        let mut family = if name.ends_with("_total") {
            page.counter(name, help)
        } else {
            page.gauge(name, help)
        };
        for chip in &chips {
            for file in &chip.files {
                let Some((sensor, found)) =
                    split(file).filter(|(s, a)| kind_of(s) == kind && *a == attribute)
                else {
                    continue;
                };
                let path = format!("{}/{sensor}_{found}", chip.folder);
                if let Some(value) = state.root.read_line(&path).and_then(|l| l.parse::<f64>().ok()) {
                    family.set(&[("chip", &chip.name), ("sensor", sensor)], value / divisor);
                }
            }
        }
    }
    let mut labels = page.gauge("node_hwmon_sensor_label", "What the board calls a sensor.");
    for chip in &chips {
        for file in &chip.files {
            if let Some((sensor, "label")) = split(file)
                && let Some(label) = state.root.read_line(&format!("{}/{file}", chip.folder))
            {
                labels.set(
                    &[("chip", &chip.name), ("label", &label), ("sensor", sensor)],
                    1.0,
                );
            }
        }
    }
    let mut names = page.gauge("node_hwmon_chip_names", "What the driver calls a chip.");
    for chip in &chips {
        if let Some(said) = state.root.read_line(&format!("{}/name", chip.folder)) {
            names.set(&[("chip", &chip.name), ("chip_name", &clean(&said))], 1.0);
        }
    }
    Ok(())
}

/// `temp1_input` is the sensor `temp1` and its attribute `input`.
fn split(file: &str) -> Option<(&str, &str)> {
    let (sensor, attribute) = file.split_once('_')?;
    let is_known = SENSORS.iter().any(|(kind, ..)| *kind == kind_of(sensor));
    (is_known && sensor.ends_with(|c: char| c.is_ascii_digit())).then_some((sensor, attribute))
}

fn kind_of(sensor: &str) -> &str {
    sensor.trim_end_matches(|c: char| c.is_ascii_digit())
}

fn chip_name(state: &HostState, folder: &str, number: &str) -> String {
    let device = state.root.join(&format!("{folder}/device")).canonicalize().ok();
    let part = |p: Option<&std::ffi::OsStr>| clean(&p.unwrap_or_default().to_string_lossy());
    if let Some(device) = device {
        let name = part(device.file_name());
        let bus = part(device.parent().and_then(|p| p.file_name()));
        if !name.is_empty() && !bus.is_empty() {
            return format!("{bus}_{name}");
        }
    }
    let said = state.root.read_line(&format!("{folder}/name"));
    said.map_or_else(|| number.to_owned(), |name| clean(&name))
}

fn clean(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == ':' {
            c
        } else {
            '_'
        }
    };
    lower
        .chars()
        .map(plain)
        .collect::<String>()
        .trim_matches('_')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostCollector;

    #[test]
    fn files_are_sensors_or_not() {
        assert_eq!(split("temp1_input"), Some(("temp1", "input")));
        assert_eq!(split("in10_max"), Some(("in10", "max")));
        for other in ["name", "uevent", "temp_input", "update_interval"] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn a_chip_is_named_after_its_device() {
        let root = tempfile::tempdir().unwrap();
        let device = root.path().join("sys/devices/platform/coretemp.0");
        let chip = device.join("hwmon/hwmon3");
        std::fs::create_dir_all(&chip).unwrap();
        for (file, text) in [
            ("name", "coretemp\n"),
            ("temp1_input", "45000\n"),
            ("temp1_label", "Core 0\n"),
            ("fan1_input", "900\n"),
        ] {
            std::fs::write(chip.join(file), text).unwrap();
        }
        std::os::unix::fs::symlink(&device, chip.join("device")).unwrap();
        let class = root.path().join("sys/class/hwmon");
        std::fs::create_dir_all(&class).unwrap();
        std::os::unix::fs::symlink(&chip, class.join("hwmon3")).unwrap();
        let batch = HostCollector::new(root.path().to_owned())
            .with_labels(Vec::new())
            .collect(1);
        let mut shown: Vec<String> = batch
            .series
            .iter()
            .map(|s| format!("{} {}", s.labels, s.samples[0].value))
            .filter(|s| s.contains("hwmon_"))
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                r#"node_hwmon_chip_names{chip="platform_coretemp_0", chip_name="coretemp"} 1"#,
                r#"node_hwmon_fan_rpm{chip="platform_coretemp_0", sensor="fan1"} 900"#,
                r#"node_hwmon_sensor_label{chip="platform_coretemp_0", label="Core 0", sensor="temp1"} 1"#,
                r#"node_hwmon_temp_celsius{chip="platform_coretemp_0", sensor="temp1"} 45"#,
            ]
        );
    }
}
