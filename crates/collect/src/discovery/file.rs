//! Groups from JSON and YAML files, read again when a file changes.

use super::config::FileConfig;
use super::error::DiscoveryError;
use super::group::{StaticConfig, TargetGroup};
use super::provider::{Answer, Provider};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How often the times of change are looked at.
const LOOK_MS: i64 = 5000;
const FILE_BYTES_MAX: u64 = 64 << 20;

pub(super) struct FileProvider {
    config: FileConfig,
    /// What was read, when it was changed, and what it said.
    known: Vec<(PathBuf, SystemTime, TargetGroup)>,
    read_ms: i64,
}

impl FileProvider {
    pub(super) fn new(config: FileConfig) -> Self {
        FileProvider {
            config,
            known: Vec::new(),
            read_ms: i64::MIN,
        }
    }

    fn refresh(&mut self, now_ms: i64) -> Result<Vec<TargetGroup>, DiscoveryError> {
        let overdue = now_ms.saturating_sub(self.read_ms) >= self.config.refresh_interval.0;
        let mut fresh = Vec::new();
        let mut failure = None;
        for path in self.config.files.iter().flat_map(|pattern| expand(pattern)) {
            let changed = std::fs::metadata(&path).and_then(|m| m.modified());
            let before = self.known.iter().find(|(p, ..)| *p == path);
            let unchanged = before.filter(|(_, t, _)| !overdue && changed.as_ref().is_ok_and(|c| c == t));
            if let Some(known) = unchanged {
                fresh.push(known.clone());
                continue;
            }
            match read(&path) {
                Ok(group) => fresh.push((path, changed.unwrap_or(SystemTime::UNIX_EPOCH), group)),
                // A file that is being written or was broken by hand keeps its last good state.
                Err(error) => {
                    fresh.extend(before.cloned());
                    failure = Some(error);
                }
            }
        }
        self.known = fresh;
        if overdue {
            self.read_ms = now_ms;
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(self.known.iter().map(|(_, _, g)| g.clone()).collect()),
        }
    }
}

impl Provider for FileProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(async move { self.refresh(now_ms) })
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(LOOK_MS.min(self.config.refresh_interval.0.max(1)))
    }

    fn name(&self) -> String {
        "file".to_owned()
    }
}

/// The files that a path with a `*` in its last part stands for, ascending.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let Some((before, after)) = name.split_once('*') else {
        return vec![pattern.to_owned()];
    };
    let folder = pattern
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| {
            let name = p.file_name().and_then(|n| n.to_str()).unwrap_or("");
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        })
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<TargetGroup, DiscoveryError> {
    let what = path.display().to_string();
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|source| DiscoveryError::Read {
            what: what.clone(),
            source,
        })?;
    let is_json = path.extension().is_some_and(|e| e == "json");
    let groups = parse(&text, is_json).map_err(|detail| DiscoveryError::Invalid {
        what: what.clone(),
        detail,
    })?;
    let targets = groups
        .iter()
        .flat_map(|g| TargetGroup::of_static("", g, &[("__meta_filepath", &what)]).targets)
        .collect();
    Ok(TargetGroup {
        source: what,
        targets,
    })
}

fn parse(text: &str, is_json: bool) -> Result<Vec<StaticConfig>, String> {
    if is_json {
        serde_json::from_str(text).map_err(|e| e.to_string())
    } else if text.trim().is_empty() {
        Ok(Vec::new())
    } else {
        let groups: Vec<Written> = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
        let groups = groups.into_iter().map(|g| StaticConfig {
            targets: g.targets,
            labels: g.labels,
        });
        Ok(groups.collect())
    }
}

/// As it stands in YAML: text is what was typed, whatever it looks like.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(groups: &[TargetGroup]) -> Vec<String> {
        let targets = groups.iter().flat_map(|g| &g.targets);
        targets
            .map(|t| t.drop(&["__meta_filepath"]).to_string())
            .collect()
    }

    #[test]
    fn labels_are_what_was_typed() {
        let yaml = "- targets: [a:1]\n  labels: {version: 1.10, land: NO, mode: 010, on: on, n: 7}\n";
        let labels = &parse(yaml, false).unwrap()[0].labels;
        let shown = labels.iter().map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            shown.collect::<Vec<_>>().join(" "),
            "land=NO mode=010 n=7 on=on version=1.10"
        );
        let wrong = parse("- targets: [a:1]\n  lables: {}\n", false).unwrap_err();
        assert!(wrong.contains("lables"), "{wrong}");
    }

    #[test]
    fn files_are_read_again_when_they_change_and_kept_when_they_break() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, s: u64| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(s);
            std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
        };
        write("a.json", r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#, 1);
        write("b.yml", "- targets: [b:1, b:2]\n", 1);
        let config = FileConfig {
            files: vec![dir.path().join("*.json"), dir.path().join("b.yml")],
            ..FileConfig::default()
        };
        let mut provider = FileProvider::new(config);
        let expect = [
            r#"{__address__="a:1", x="y"}"#,
            r#"{__address__="b:1"}"#,
            r#"{__address__="b:2"}"#,
        ];
        assert_eq!(shown(&provider.refresh(0).unwrap()), expect);
        write("b.yml", "- targets: [b:3]\n", 1);
        assert_eq!(
            shown(&provider.refresh(1000).unwrap()).len(),
            3,
            "no time of change moved"
        );
        write("b.yml", "- targets: [b:3]\n", 2);
        assert_eq!(shown(&provider.refresh(2000).unwrap()).len(), 2);
        write("b.yml", "- targets: {", 3);
        assert!(provider.refresh(3000).is_err());
        assert_eq!(
            shown(&provider.known.iter().map(|k| k.2.clone()).collect::<Vec<_>>()).len(),
            2
        );
        std::fs::remove_file(dir.path().join("a.json")).unwrap();
        write("b.yml", "", 4);
        assert_eq!(shown(&provider.refresh(4000).unwrap()), [""; 0]);
    }
}
