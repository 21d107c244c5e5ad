//! The configuration of the demo, as somebody would write it for such a house.

use super::world::TARGETS;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const CONFIG: &str = include_str!("lapwing.yml");
const RULES: &str = include_str!("rules.yml");

/// Writes `lapwing.yml` and `rules.yml` into `dir`; `stage` is where the made-up servers listen.
pub(crate) fn write_files(dir: &Path, stage: SocketAddr) -> io::Result<PathBuf> {
    let mut config = CONFIG.replace("STAGE", &stage.to_string());
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
        let path = write_files(dir.path(), SocketAddr::from(([127, 0, 0, 1], 4711))).unwrap();
        let loaded = crate::config::load(&path, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let config = loaded.config.unwrap();
        assert_eq!(config.scrape_configs.len(), TARGETS.len());
        assert!(!config.alerting.paging.groups.is_empty());
    }
}
