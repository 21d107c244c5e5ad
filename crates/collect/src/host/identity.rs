//! Who the host is: kernel, distribution, name, time.

use super::collector::HostState;
use super::root::{HostError, Root};
use crate::page::Page;

/// The host's name as the kernel has it.
pub(super) fn host_name(root: &Root) -> Option<String> {
    root.read_line("proc/sys/kernel/hostname")
}

pub(super) fn collect_uname(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let read = |name: &str| state.root.read(&format!("proc/sys/kernel/{name}"));
    let (sysname, release, version) = (read("ostype")?, read("osrelease")?, read("version")?);
    let (nodename, domainname) = (read("hostname")?, read("domainname")?);
    // Linux before 6.1 does not say in /proc for which machine it was built; this program was built for the same.
    let machine = read("arch").unwrap_or_else(|_| std::env::consts::ARCH.to_owned());
    let labels = [
        ("domainname", domainname.trim()),
        ("machine", machine.trim()),
        ("nodename", nodename.trim()),
        ("release", release.trim()),
        ("sysname", sysname.trim()),
        ("version", version.trim()),
    ];
    page.gauge(
        "node_uname_info",
        "What the kernel says about itself, in labels; always 1.",
    )
    .set(&labels, 1.0);
    Ok(())
}

/// The value of `KEY=` in an os-release file, without its quotes.
pub(super) fn os_value(text: &str, key: &str) -> String {
    let value = text
        .lines()
        .find_map(|l| l.trim().strip_prefix(key)?.strip_prefix('='));
    let value = value.unwrap_or("").trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner.replace("\\\"", "\"").replace("\\\\", "\\");
        }
    }
    value.to_owned()
}

pub(super) fn collect_os(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let text = state
        .root
        .read("etc/os-release")
        .or_else(|_| state.root.read("usr/lib/os-release"))?;
    let keys = [
        "BUILD_ID",
        "ID",
        "ID_LIKE",
        "IMAGE_ID",
        "IMAGE_VERSION",
        "NAME",
        "PRETTY_NAME",
        "VARIANT",
        "VARIANT_ID",
        "VERSION",
        "VERSION_CODENAME",
        "VERSION_ID",
    ];
    let pairs: Vec<(String, String)> = keys
        .iter()
        .map(|k| (k.to_lowercase(), os_value(&text, k)))
        .collect();
    let labels: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    page.gauge(
        "node_os_info",
        "What the distribution says about itself, in labels; always 1.",
    )
    .set(&labels, 1.0);
    // "12" is 12, "24.04" is 24.04; "12.1.3" is 12.1, as node_exporter counts.
    let version = os_value(&text, "VERSION_ID");
    let short: Vec<&str> = version.split('.').take(2).collect();
    if let Ok(number) = short.join(".").parse::<f64>() {
        let id = [
            ("id", os_value(&text, "ID")),
            ("id_like", os_value(&text, "ID_LIKE")),
            ("name", os_value(&text, "NAME")),
        ];
        let labels: Vec<(&str, &str)> = id.iter().map(|(n, v)| (*n, v.as_str())).collect();
        page.gauge("node_os_version", "Major and minor version of the distribution.")
            .set(&labels, number);
    }
    Ok(())
}

pub(super) fn collect_time(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let now_s = page.now_ms() as f64 / 1000.0;
    page.gauge("node_time_seconds", "The host's clock, in seconds since 1970.")
        .set(&[], now_s);
    let folder = "sys/devices/system/clocksource/clocksource0";
    if let Some(current) = state.root.read_line(&format!("{folder}/current_clocksource")) {
        page.gauge(
            "node_time_clocksource_current_info",
            "The clock source in use; always 1.",
        )
        .set(&[("clocksource", &current), ("device", "0")], 1.0);
    }
    if let Some(available) = state.root.read_line(&format!("{folder}/available_clocksource")) {
        let mut family = page.gauge("node_time_clocksource_available_info", "Clock sources; always 1.");
        for source in available.split_ascii_whitespace() {
            family.set(&[("clocksource", source), ("device", "0")], 1.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_quoting() {
        let text = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID='12'\nVERSION=\"a \\\"b\\\"\"\n";
        assert_eq!(os_value(text, "NAME"), "Debian GNU/Linux");
        assert_eq!(os_value(text, "ID"), "debian");
        assert_eq!(os_value(text, "VERSION_ID"), "12");
        assert_eq!(os_value(text, "VERSION"), "a \"b\"");
        assert_eq!(os_value(text, "BUILD_ID"), "");
    }
}
