//! Processes, systemd units, containers: does it run?

use super::call::{Call, fetch};
use super::command::{CommandLine, run_command};
use super::json::at_path;
use super::look::{Fault, Found, Look};
use lapwing_types::{ProbeReason, go_regex};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const DOCKER_SOCKET: &str = "/var/run/docker.sock";
const CMDLINE_BYTES_MAX: usize = 64 << 10;

/// Processes whose name is this, or whose command line matches that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessProbe {
    pub name: Option<String>,
    /// A regular expression.
    pub command_line: Option<String>,
    /// 1 without it.
    pub count_min: Option<u64>,
    pub count_max: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemdProbe {
    pub unit: String,
    /// Of the user's own manager, not the system's.
    pub user: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerProbe {
    /// Its name or id, as Docker or Podman know it.
    pub name: String,
    pub socket: Option<PathBuf>,
}

impl ProcessProbe {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.is_none() && self.command_line.is_none() {
            return Err("a process is named by name or command_line".to_owned());
        }
        let pattern = self.command_line.as_deref().unwrap_or("");
        go_regex(pattern)
            .map(|_| ())
            .map_err(|e| format!("{pattern:?} is not a regular expression: {e}"))
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let probe = self.clone();
        let counted = tokio::task::spawn_blocking(move || probe.count()).await;
        let count = counted.map_err(|e| Fault::unjudged(ProbeReason::Internal, e.to_string()))??;
        look.measure("probe_process_count", count as f64);
        let (min, max) = (self.count_min.unwrap_or(1), self.count_max.unwrap_or(u64::MAX));
        if (min..=max).contains(&count) {
            Ok(())
        } else {
            Err(Fault::new(
                ProbeReason::NotRunning,
                format!("{count} such processes run, not at least {min}"),
            ))
        }
    }

    fn count(&self) -> Result<u64, Fault> {
        let pattern = self.command_line.as_deref().map(go_regex).transpose();
        let pattern = pattern.map_err(|e| Fault::config(e.to_string()))?;
        let entries = std::fs::read_dir("/proc").map_err(|e| Fault::config(format!("/proc: {e}")))?;
        let mut count = 0;
        for entry in entries.flatten() {
            let path = entry.path();
            if !entry
                .file_name()
                .as_encoded_bytes()
                .iter()
                .all(u8::is_ascii_digit)
            {
                continue;
            }
            // One that ended meanwhile does not count.
            let Ok(name) = std::fs::read_to_string(path.join("comm")) else {
                continue;
            };
            let by_name = self
                .name
                .as_ref()
                .is_none_or(|n| name.trim() == n.chars().take(15).collect::<String>());
            let by_line = pattern.as_ref().is_none_or(|p| {
                let mut line = std::fs::read(path.join("cmdline")).unwrap_or_default();
                line.truncate(CMDLINE_BYTES_MAX);
                let text = String::from_utf8_lossy(&line).replace('\0', " ");
                p.is_match(text.trim_end())
            });
            count += u64::from(by_name && by_line);
        }
        Ok(count)
    }
}

impl SystemdProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let mut argv = vec!["systemctl".to_owned()];
        if self.user {
            argv.push("--user".to_owned());
        }
        argv.extend(
            [
                "show",
                "--property=LoadState,ActiveState,SubState",
                "--",
                &self.unit,
            ]
            .map(str::to_owned),
        );
        let line = CommandLine {
            argv,
            ..CommandLine::default()
        };
        let cannot = |why: String| {
            Fault::unjudged(
                ProbeReason::NotPermitted,
                format!("systemd cannot be asked: {why}"),
            )
        };
        let ended = run_command(look, &line).await.map_err(cannot)?;
        if ended.code != Some(0) {
            return Err(cannot(ended.output));
        }
        judge_unit(&ended.output)
    }
}

fn judge_unit(shown: &str) -> Found {
    let property = |name: &str| {
        let found = shown
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or("").to_owned()
    };
    let (load, active, sub) = (
        property("LoadState"),
        property("ActiveState"),
        property("SubState"),
    );
    if load == "not-found" {
        return Err(Fault::new(ProbeReason::NotFound, "there is no such unit"));
    }
    match active.as_str() {
        "active" => Ok(()),
        "activating" | "reloading" | "deactivating" => Err(Fault::degraded(
            ProbeReason::NotRunning,
            format!("the unit is {active} ({sub})"),
        )),
        _ => Err(Fault::new(
            ProbeReason::NotRunning,
            format!("the unit is {active} ({sub})"),
        )),
    }
}

impl ContainerProbe {
    pub(super) async fn look(&self, look: &Look) -> Found {
        let named: String = url::form_urlencoded::byte_serialize(self.name.as_bytes()).collect();
        let mut request = Call::new("GET", &format!("http://docker/containers/{named}/json"));
        request.unix_socket = Some(self.socket.clone().unwrap_or_else(|| DOCKER_SOCKET.into()));
        let cannot = |why: String| {
            Fault::unjudged(
                ProbeReason::NotPermitted,
                format!("the container engine cannot be asked: {why}"),
            )
        };
        let (status, body) = fetch(look, &request).await.map_err(cannot)?;
        if status == 404 {
            return Err(Fault::new(ProbeReason::NotFound, "there is no such container"));
        }
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        judge_container(look, &value)
    }
}

fn judge_container(look: &Look, value: &serde_json::Value) -> Found {
    let text = |path: &str| {
        at_path(value, path)
            .and_then(|v| v.as_str())
            .unwrap_or("")
            .to_owned()
    };
    let (status, health) = (text("State.Status"), text("State.Health.Status"));
    let restarts = at_path(value, "RestartCount").and_then(serde_json::Value::as_f64);
    look.measure("probe_container_restarts", restarts.unwrap_or(0.0));
    match (status.as_str(), health.as_str()) {
        ("running", "unhealthy") => Err(Fault::new(ProbeReason::Answer, "its own health check fails")),
        ("running", "starting") => Err(Fault::degraded(ProbeReason::NotRunning, "it is starting")),
        ("running", _) => Ok(()),
        ("restarting" | "paused", _) => Err(Fault::degraded(
            ProbeReason::NotRunning,
            format!("it is {status}"),
        )),
        _ => {
            let code = at_path(value, "State.ExitCode")
                .map(ToString::to_string)
                .unwrap_or_default();
            Err(Fault::new(
                ProbeReason::NotRunning,
                format!("it is {status} (exit code {code})"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::Verdict;
    use serde_json::json;

    #[test]
    fn what_systemd_and_docker_say() {
        let unit = |text: &str| judge_unit(text).err().map(|f| (f.verdict, f.reason));
        assert_eq!(
            unit("LoadState=loaded\nActiveState=active\nSubState=running\n"),
            None
        );
        assert_eq!(
            unit("LoadState=not-found\nActiveState=inactive\n"),
            Some((Verdict::Fail, ProbeReason::NotFound))
        );
        assert_eq!(
            unit("LoadState=loaded\nActiveState=failed\n"),
            Some((Verdict::Fail, ProbeReason::NotRunning))
        );
        assert_eq!(
            unit("LoadState=loaded\nActiveState=activating\n"),
            Some((Verdict::Degraded, ProbeReason::NotRunning))
        );
        let look = Look::new(None, 1, 0, || 0);
        let container = |v: serde_json::Value| judge_container(&look, &v).err().map(|f| f.verdict);
        assert_eq!(container(json!({"State": {"Status": "running"}})), None);
        assert_eq!(
            container(json!({"State": {"Status": "exited", "ExitCode": 1}})),
            Some(Verdict::Fail)
        );
        assert_eq!(
            container(json!({"State": {"Status": "running", "Health": {"Status": "unhealthy"}}})),
            Some(Verdict::Fail)
        );
    }

    #[test]
    fn this_very_process_runs() {
        let found = ProcessProbe {
            command_line: Some("lapwing_collect".to_owned()),
            ..ProcessProbe::default()
        };
        assert!(found.count().unwrap() >= 1);
        let none = ProcessProbe {
            name: Some("no such program".to_owned()),
            ..ProcessProbe::default()
        };
        assert_eq!(none.count().unwrap(), 0);
    }
}
