//! The configuration of the demo, as somebody would write it for such a house.

use super::world::TARGETS;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const CONFIG: &str = include_str!("lapwing.yml");
const RULES: &str = include_str!("rules.yml");

const DAY_MS: i64 = 24 * 3_600_000;

/// Writes `lapwing.yml` and `rules.yml` into `dir`; `stage` is where the made-up servers listen, `now_ms` when it starts.
pub(crate) fn write_files(dir: &Path, stage: SocketAddr, now_ms: i64) -> io::Result<PathBuf> {
    let time = |t_ms: i64| jiff::Timestamp::from_millisecond(t_ms / 1000 * 1000).map(|t| t.to_string());
    let from = time(now_ms - DAY_MS).map_err(io::Error::other)?;
    let until = time(now_ms + DAY_MS).map_err(io::Error::other)?;
    let mut config = CONFIG
        .replace("STAGE", &stage.to_string())
        .replace("MAINTAINED_FROM", &from)
        .replace("MAINTAINED_UNTIL", &until);
    config.push_str("\nscrape_configs:\n");
    for target in TARGETS {
        let _ = write!(
            config,
            "  - job_name: {}\n    metrics_path: {}\n    static_configs:\n      - targets: [\"{stage}\"]\n        labels: {{ instance: {} }}\n",
            target.job, target.path, target.instance
        );
    }
    std::fs::write(dir.join("rules.yml"), RULES)?;
    let path = dir.join("lapwing.yml");
    std::fs::write(&path, config)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_has_a_valid_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_files(
            dir.path(),
            SocketAddr::from(([127, 0, 0, 1], 4711)),
            1_790_000_000_000,
        )
        .unwrap();
        let loaded = crate::config::load(&path, &|_| None);
        // A day is all that the demo has lived, so it promises for a day, and for that there are no burn rates.
        let mut paths = loaded.diagnostics.iter().map(|d| d.path.as_str());
        assert!(
            paths.all(|path| path.ends_with("objectives.window")),
            "{:?}",
            loaded.diagnostics
        );
        let config = loaded.config.unwrap();
        assert_eq!(config.scrape_configs.len(), TARGETS.len());
        assert!(!config.alerting.paging.groups.is_empty());
        assert_eq!((config.health.models.len(), config.health.windows.len()), (3, 1));
    }
}
