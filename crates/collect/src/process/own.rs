//! Reads `/proc/self`; a few series, so it is cheap enough for every tick.

use crate::host::{HostError, Root, number};
use crate::page::{BaseLabels, Page};
use lapwing_types::WriteBatch;
use std::path::PathBuf;
use std::sync::Arc;

const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, PartialEq)]
struct Stat {
    cpu_s: f64,
    threads: f64,
    /// After boot.
    start_s: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

/// `/proc/self/stat`; the program's name is in parentheses and may itself contain blanks and parentheses.
fn parse_stat(text: &str) -> Result<Stat, HostError> {
    let (_, rest) = text
        .rsplit_once(')')
        .ok_or_else(|| HostError::parse("a program's name in parentheses", text))?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // The field after the name is the third of proc(5).
    let field = |n: usize| number(fields.get(n - 3).copied(), "a number in /proc/self/stat");
    Ok(Stat {
        cpu_s: (field(14)? + field(15)?) / TICKS_PER_SECOND,
        threads: field(20)?,
        start_s: field(22)? / TICKS_PER_SECOND,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

/// The soft limit on the line of `/proc/self/limits` that begins with `name`; `None` for "unlimited".
fn parse_limit(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|l| l.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// Reads the process it lives in.
pub struct ProcessCollector {
    root: Root,
    base: BaseLabels,
    page_bytes: f64,
    described: bool,
}

impl ProcessCollector {
    /// `labels` stand on every series, for example `job="lapwing"` and the own address as `instance`.
    pub fn new(root: PathBuf, labels: Vec<(String, String)>) -> Self {
        ProcessCollector {
            root: Root::new(root),
            base: Arc::from(labels),
            page_bytes: rustix::param::page_size() as f64,
            described: false,
        }
    }

    /// Blocking, like every read of a file.
    pub fn collect(&mut self, now_ms: i64) -> Result<WriteBatch, HostError> {
        let stat = parse_stat(&self.root.read("proc/self/stat")?)?;
        let mut page = Page::new(now_ms, self.base.clone(), !self.described);
        page.counter("process_cpu_seconds_total", "CPU seconds used, user and system.")
            .set(&[], stat.cpu_s);
        page.gauge("process_resident_memory_bytes", "Memory held in RAM.")
            .set(&[], stat.resident_pages * self.page_bytes);
        page.gauge("process_virtual_memory_bytes", "Address space mapped.")
            .set(&[], stat.virtual_bytes);
        page.gauge("process_threads", "Threads.").set(&[], stat.threads);
        page.gauge("process_open_fds", "Open file descriptors.")
            .set(&[], self.root.list("proc/self/fd").len() as f64);
        let limits = self.root.read("proc/self/limits").unwrap_or_default();
        if let Some(max) = parse_limit(&limits, "Max open files") {
            page.gauge("process_max_fds", "File descriptors that may be open.")
                .set(&[], max);
        }
        if let Some(max) = parse_limit(&limits, "Max address space") {
            page.gauge(
                "process_virtual_memory_max_bytes",
                "Address space that may be mapped.",
            )
            .set(&[], max);
        }
        if let Some(boot_s) = self.boot_s() {
            page.gauge(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970.",
            )
            .set(&[], boot_s + stat.start_s);
        }
        self.described = true;
        Ok(page.into_batch())
    }

    fn boot_s(&self) -> Option<f64> {
        let text = self.root.read("proc/stat").ok()?;
        text.lines()
            .find_map(|l| l.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 12345 1048576 256 18446744073709551615";
        let expect = Stat {
            cpu_s: 2.0,
            threads: 9.0,
            start_s: 123.45,
            virtual_bytes: 1_048_576.0,
            resident_pages: 256.0,
        };
        assert_eq!(parse_stat(text).unwrap(), expect);
        assert!(parse_stat("7 (a) S 1").is_err());
        assert!(parse_stat("").is_err());
    }

    #[test]
    fn limits() {
        let text = "Limit                     Soft Limit  Hard Limit Units\nMax open files            1024   4096 files\nMax address space         unlimited unlimited bytes\n";
        assert_eq!(parse_limit(text, "Max open files"), Some(1024.0));
        assert_eq!(parse_limit(text, "Max address space"), None);
    }

    #[test]
    fn reads_itself() {
        let labels = vec![("job".to_owned(), "lapwing".to_owned())];
        let batch = ProcessCollector::new(PathBuf::from("/"), labels)
            .collect(5)
            .unwrap();
        let value = |name: &str| {
            let found = batch.series.iter().find(|s| s.labels.metric_name() == Some(name));
            found.unwrap_or_else(|| panic!("{name}")).samples[0].value
        };
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_start_time_seconds") > 1e9);
    }
}
