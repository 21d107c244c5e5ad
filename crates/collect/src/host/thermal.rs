//! Temperatures of the firmware's thermal zones, from `/sys/class/thermal`.

use super::collector::HostState;
use super::root::HostError;
use crate::page::Page;

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let folder = "sys/class/thermal";
    let mut family = page.gauge(
        "node_thermal_zone_temp",
        "Temperature of a thermal zone in degrees Celsius.",
    );
    for name in state.root.list(folder) {
        let Some(zone) = name.strip_prefix("thermal_zone") else {
            continue;
        };
        let read = |file: &str| state.root.read_line(&format!("{folder}/{name}/{file}"));
        // A zone that is switched off answers with an error rather than a number.
        if let Some(millidegrees) = read("temp").and_then(|t| t.parse::<f64>().ok()) {
            let kind = read("type").unwrap_or_default();
            family.set(&[("type", &kind), ("zone", zone)], millidegrees / 1000.0);
        }
    }
    Ok(())
}
