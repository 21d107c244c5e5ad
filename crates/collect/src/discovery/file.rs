//! Groups from JSON and YAML files, read again when a file changes.

use super::config::FileConfig;
use super::error::DiscoveryError;
use super::group::{StaticConfig, TargetGroup};
use super::provider::{Answer, Provider};
use crate::glob;
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
    /// Why the last look did not bring all.
    complaint: Option<DiscoveryError>,
}

impl FileProvider {
    pub(super) fn new(config: FileConfig) -> Self {
        FileProvider {
            config,
            known: Vec::new(),
            read_ms: i64::MIN,
            complaint: None,
        }
    }

    /// What all files together say. One that cannot be read takes nothing from the others; it is complained of.
    fn refresh(&mut self, now_ms: i64) -> Vec<TargetGroup> {
        let overdue = now_ms.saturating_sub(self.read_ms) >= self.config.refresh_interval.0;
        let mut fresh = Vec::new();
        self.complaint = None;
        for path in self.config.files.iter().flat_map(|pattern| files(pattern)) {
            let changed = std::fs::metadata(&path).and_then(|m| m.modified());
            let before = self.known.iter().find(|(p, ..)| *p == path);
            let unchanged = before.filter(|(_, t, _)| !overdue && changed.as_ref().is_ok_and(|c| c == t));
            if let Some(known) = unchanged {
                fresh.push(known.clone());
                continue;
            }
            match read(&path) {
                Ok(group) => fresh.push((path, changed.unwrap_or(SystemTime::UNIX_EPOCH), group)),
                // A file that is being written or was broken by hand keeps its last good state; one that is gone has none.
                Err(error) => {
                    if !is_gone(&error) {
                        fresh.extend(before.cloned());
                    }
                    self.complaint.get_or_insert(error);
                }
            }
        }
        self.known = fresh;
        if overdue {
            self.read_ms = now_ms;
        }
        self.known.iter().map(|(_, _, g)| g.clone()).collect()
    }
}

impl Provider for FileProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(async move { Ok(self.refresh(now_ms)) })
    }

    fn complaint(&mut self) -> Option<DiscoveryError> {
        self.complaint.take()
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(LOOK_MS.min(self.config.refresh_interval.0.max(1)))
    }

    fn name(&self) -> String {
        let files: Vec<String> = self
            .config
            .files
            .iter()
            .map(|f| f.display().to_string())
            .collect();
        format!("file {}", files.join(", "))
    }
}

/// The files of a pattern; a path that is none stands for itself, so that it is missed when it is not there.
fn files(path: &Path) -> Vec<PathBuf> {
    if glob::is_pattern(path) {
        glob::expand(path)
    } else {
        vec![path.to_owned()]
    }
}

fn is_gone(error: &DiscoveryError) -> bool {
    matches!(error, DiscoveryError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
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
        let groups: Option<Vec<StaticConfig>> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        Ok(groups.unwrap_or_default())
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
    fn nothing_is_what_programs_write_for_an_empty_list() {
        let groups = |text: &str| parse(text, true).unwrap();
        assert_eq!(groups("null"), []);
        let found =
            groups(r#"[{"targets": null, "labels": {"a": "b"}}, {"targets": ["a:1"], "labels": null}]"#);
        let targets = found.iter().map(|g| g.targets.len());
        assert_eq!(targets.collect::<Vec<_>>(), [0, 1]);
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
        assert_eq!(shown(&provider.refresh(0)), expect);
        write("b.yml", "- targets: [b:3]\n", 1);
        assert_eq!(shown(&provider.refresh(1000)).len(), 3, "no time of change moved");
        write("b.yml", "- targets: [b:3]\n", 2);
        assert_eq!(shown(&provider.refresh(2000)).len(), 2);
        write("b.yml", "- targets: {", 3);
        write("a.json", r#"[{"targets": ["a:2"]}]"#, 3);
        let expect = [r#"{__address__="a:2"}"#, r#"{__address__="b:3"}"#];
        assert_eq!(shown(&provider.refresh(3000)), expect, "the others go on");
        let complaint = provider.complaint().unwrap().to_string();
        assert!(complaint.contains("b.yml is not valid"), "{complaint}");
        std::fs::remove_file(dir.path().join("a.json")).unwrap();
        write("b.yml", "", 4);
        assert_eq!(shown(&provider.refresh(4000)), [""; 0]);
        assert!(provider.complaint().is_none());
    }

    #[test]
    fn the_targets_of_a_file_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, r#"[{"targets": ["a:1"]}]"#).unwrap();
        let mut provider = FileProvider::new(FileConfig {
            files: vec![path.clone()],
            ..FileConfig::default()
        });
        assert_eq!(shown(&provider.refresh(0)), [r#"{__address__="a:1"}"#]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(shown(&provider.refresh(1000)), [""; 0]);
        let complaint = provider.complaint().unwrap().to_string();
        assert!(complaint.contains("a.json cannot be read"), "{complaint}");
    }

    #[test]
    fn a_file_that_is_missing_or_broken_takes_nothing_from_the_others() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("good.json"), r#"[{"targets": ["a:1"]}]"#).unwrap();
        std::fs::write(dir.path().join("bad.yml"), "- {targets: [b:1], lables: {}}\n").unwrap();
        for (name, expect) in [
            ("missing.yml", "missing.yml cannot be read"),
            ("bad.yml", "bad.yml is not valid"),
        ] {
            let mut provider = FileProvider::new(FileConfig {
                files: vec![dir.path().join("good.json"), dir.path().join(name)],
                ..FileConfig::default()
            });
            assert_eq!(shown(&provider.refresh(0)), [r#"{__address__="a:1"}"#]);
            let complaint = provider.complaint().unwrap().to_string();
            assert!(complaint.contains(expect), "{complaint}");
        }
    }
}
