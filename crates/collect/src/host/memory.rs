//! Memory, from `/proc/meminfo`; and `memory_usage`, the share that a new program could not have.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

/// Name without the `node_memory_` in front, value in bytes (or a plain count where the kernel gives no unit).
pub(super) fn parse(text: &str) -> Result<Vec<(String, f64)>, HostError> {
    let mut fields = Vec::with_capacity(64);
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        let value = number(words.next(), "a size in /proc/meminfo")?;
        let mut field = name.replace('(', "_").replace(')', "");
        match words.next() {
            Some("kB") => {
                field.push_str("_bytes");
                fields.push((field, value * 1024.0));
            }
            _ => fields.push((field, value)),
        }
    }
    Ok(fields)
}

/// 1 − available / total; before Linux 3.14 free, buffers and cache stand in for what is available.
pub(super) fn usage(fields: &[(String, f64)]) -> Option<f64> {
    let get = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    let total = get("MemTotal_bytes").filter(|t| *t > 0.0)?;
    let available = get("MemAvailable_bytes").or_else(|| {
        Some(get("MemFree_bytes")? + get("Buffers_bytes").unwrap_or(0.0) + get("Cached_bytes").unwrap_or(0.0))
    })?;
    Some((1.0 - available / total).clamp(0.0, 1.0))
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let fields = parse(&state.root.read("proc/meminfo")?)?;
    for (field, value) in &fields {
        let name = format!("node_memory_{field}");
        page.gauge(&name, "Memory as the kernel accounts for it under this name.")
            .set(&[], *value);
    }
    if let Some(share) = usage(&fields) {
        page.gauge(
            "memory_usage",
            "Share of memory that is not available to programs, 0 to 1.",
        )
        .set(&[], share);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_follow_node_exporter() {
        let fields =
            parse("MemTotal:  1000 kB\nMemAvailable: 250 kB\nActive(anon):  4 kB\nHugePages_Total:  3\n")
                .unwrap();
        let expect = [
            ("MemTotal_bytes", 1_024_000.0),
            ("MemAvailable_bytes", 256_000.0),
            ("Active_anon_bytes", 4096.0),
            ("HugePages_Total", 3.0),
        ];
        assert_eq!(fields, expect.map(|(n, v)| (n.to_owned(), v)));
        assert_eq!(usage(&fields), Some(0.75));
        assert!(parse("MemTotal: many kB").is_err());
    }

    #[test]
    fn old_kernels_have_no_available() {
        let fields = parse("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 20 kB\nCached: 30 kB").unwrap();
        assert_eq!(usage(&fields), Some(0.4));
        assert_eq!(usage(&[]), None);
    }
}
