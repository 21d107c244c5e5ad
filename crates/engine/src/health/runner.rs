//! Carries a repair out: an HTTP call, a command, a restart. Each within its time, its outcome in a sentence.

use super::spec::Action;
use lapwing_collect::probe::{Call, CommandLine, Look, call, run_command};
use std::path::PathBuf;

/// Where the things stand that an action speaks to; a test has its own.
#[derive(Clone, Debug)]
pub(super) struct Places {
    systemctl: String,
    docker_socket: PathBuf,
    /// How a pod finds out how to talk to its cluster.
    account: PathBuf,
    kubernetes_api: Option<String>,
}

impl Places {
    pub(super) fn of_this_machine() -> Self {
        let host = std::env::var("KUBERNETES_SERVICE_HOST").ok();
        let port = std::env::var("KUBERNETES_SERVICE_PORT").unwrap_or_else(|_| "443".to_owned());
        Places {
            systemctl: "systemctl".to_owned(),
            docker_socket: "/var/run/docker.sock".into(),
            account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
            kubernetes_api: host.map(|host| format!("https://{host}:{port}")),
        }
    }
}

/// What it said when it worked, or why it did not.
pub(super) async fn carry_out(
    action: &Action,
    places: &Places,
    (timeout_ms, now_ms): (i64, i64),
) -> Result<String, String> {
    let look = Look::new(None, timeout_ms, now_ms, crate::clock::process_nanos);
    match action {
        Action::Http {
            url,
            method,
            headers,
            body,
        } => {
            let headers = headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
            let mut request = Call::new(method, url);
            request.headers = headers;
            request.body = body.clone().unwrap_or_default().into_bytes();
            expect_2xx(call(&look, &request).await)
        }
        Action::Command { argv } => run(&look, argv).await,
        Action::SystemdRestart { unit } => run(&look, &argv_of(places, unit)).await,
        Action::ContainerRestart { container, socket } => {
            let url = format!("http://docker/containers/{container}/restart");
            let mut request = Call::new("POST", &url);
            request.unix_socket = Some(socket.as_ref().unwrap_or(&places.docker_socket).clone());
            expect_2xx(call(&look, &request).await)
        }
        Action::KubernetesRestart { namespace, workload } => {
            let request = rollout_restart(places, (namespace, workload), now_ms)?;
            expect_2xx(call(&look, &request).await)
        }
    }
}

/// Whatever a unit is called, it is no option.
fn argv_of(places: &Places, unit: &str) -> Vec<String> {
    let words = [
        places.systemctl.as_str(),
        "--no-ask-password",
        "restart",
        "--",
        unit,
    ];
    words.map(str::to_owned).to_vec()
}

async fn run(look: &Look, argv: &[String]) -> Result<String, String> {
    let line = CommandLine {
        argv: argv.to_vec(),
        ..CommandLine::default()
    };
    let ended = run_command(look, &line).await?;
    match ended.code {
        Some(0) => Ok(ended.output),
        Some(code) => Err(format!("it ended with {code}: {}", ended.output)),
        None => Err(format!("it was ended by a signal: {}", ended.output)),
    }
}

fn expect_2xx(answer: Result<(u16, String), String>) -> Result<String, String> {
    match answer? {
        (status, _) if (200..300).contains(&status) => Ok(format!("answered {status}")),
        (status, body) => Err(format!("answered {status}: {body}")),
    }
}

/// What `kubectl rollout restart` does: a new annotation on the pods' template.
fn rollout_restart(
    places: &Places,
    (namespace, workload): (&str, &str),
    now_ms: i64,
) -> Result<Call, String> {
    let (kind, name) = workload.split_once('/').ok_or("the workload is not KIND/NAME")?;
    let account = &places.account;
    let token = std::fs::read_to_string(account.join("token"))
        .map_err(|e| format!("not in a cluster ({}/token: {e})", account.display()))?;
    let api = places
        .kubernetes_api
        .as_ref()
        .ok_or("not in a cluster (KUBERNETES_SERVICE_HOST is not set)")?;
    let url = format!("{api}/apis/apps/v1/namespaces/{namespace}/{kind}s/{name}");
    let mut request = Call::new("PATCH", &url);
    request.tls.ca_file = Some(account.join("ca.crt"));
    request.headers = vec![
        ("authorization".to_owned(), format!("Bearer {}", token.trim())),
        (
            "content-type".to_owned(),
            "application/strategic-merge-patch+json".to_owned(),
        ),
    ];
    let stamp = serde_json::json!({ "lapwing/restarted-at-ms": now_ms.to_string() });
    let patch = serde_json::json!({ "spec": { "template": { "metadata": { "annotations": stamp } } } });
    request.body = patch.to_string().into_bytes();
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    const NOW_MS: i64 = 1_700_000_000_000;

    /// Answers one request with this status and gives back what was asked.
    fn answer_once(mut stream: impl Read + Write, status: &str) -> String {
        let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let count = stream.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&asked).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
            if body.len() >= length.map_or(0, |l| l.trim().parse().unwrap()) || count == 0 {
                break;
            }
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    }

    fn nowhere(dir: &std::path::Path) -> Places {
        Places {
            systemctl: dir.join("systemctl").display().to_string(),
            docker_socket: dir.join("docker.sock"),
            account: dir.join("account"),
            kubernetes_api: None,
        }
    }

    async fn done(action: Action, places: &Places) -> Result<String, String> {
        carry_out(&action, places, (5000, NOW_MS)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_container_is_restarted_over_the_engines_socket() {
        let dir = tempfile::tempdir().unwrap();
        let places = nowhere(dir.path());
        let restart_at = |socket: Option<PathBuf>| Action::ContainerRestart {
            container: "chat".to_owned(),
            socket,
        };
        let restart = || restart_at(None);
        let refused = done(restart(), &places).await.unwrap_err();
        assert!(refused.contains("docker.sock"), "{refused}");
        let elsewhere = done(restart_at(Some(dir.path().join("podman.sock"))), &places).await;
        assert!(elsewhere.unwrap_err().contains("podman.sock"));
        let listener = std::os::unix::net::UnixListener::bind(&places.docker_socket).unwrap();
        for (status, is_done) in [("204 No Content", true), ("404 Not Found", false)] {
            let listener = listener.try_clone().unwrap();
            let asked = std::thread::spawn(move || answer_once(listener.accept().unwrap().0, status));
            let result = done(restart(), &places).await;
            assert_eq!(result.is_ok(), is_done, "{result:?}");
            let asked = asked.join().unwrap();
            assert!(
                asked.starts_with("POST /containers/chat/restart HTTP/1.1"),
                "{asked}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_rollout_is_asked_of_the_cluster_with_the_pods_own_account() {
        let dir = tempfile::tempdir().unwrap();
        let mut places = nowhere(dir.path());
        let restart = |workload: &str| Action::KubernetesRestart {
            namespace: "ml".to_owned(),
            workload: workload.to_owned(),
        };
        let outside = done(restart("deployment/chat"), &places).await.unwrap_err();
        assert!(outside.starts_with("not in a cluster"), "{outside}");
        std::fs::create_dir(&places.account).unwrap();
        std::fs::write(places.account.join("token"), "hush\n").unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        places.kubernetes_api = Some(format!("http://{}", listener.local_addr().unwrap()));
        assert!(
            done(restart("chat"), &places).await.is_err(),
            "KIND/NAME is asked for"
        );
        let asked = std::thread::spawn(move || answer_once(listener.accept().unwrap().0, "200 OK"));
        assert_eq!(
            done(restart("statefulset/chat"), &places).await,
            Ok("answered 200".to_owned())
        );
        let asked = asked.join().unwrap();
        for part in [
            "PATCH /apis/apps/v1/namespaces/ml/statefulsets/chat HTTP/1.1",
            "Bearer hush",
            "application/strategic-merge-patch+json",
            r#"{"spec":{"template":{"metadata":{"annotations":{"lapwing/restarted-at-ms":"1700000000000"}}}}}"#,
        ] {
            assert!(asked.contains(part), "{part} is missing: {asked}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_unit_is_restarted_by_its_name_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut places = nowhere(dir.path());
        let unit = |name: &str| Action::SystemdRestart {
            unit: name.to_owned(),
        };
        assert!(
            done(unit("vllm"), &places).await.is_err(),
            "there is no systemctl"
        );
        // `echo` is a program that says what it was told.
        places.systemctl = "/bin/echo".to_owned();
        let said = done(unit("--all"), &places).await.unwrap();
        assert_eq!(said.trim(), "--no-ask-password restart -- --all");
        places.systemctl = "/bin/false".to_owned();
        let failed = done(unit("vllm"), &places).await.unwrap_err();
        assert!(failed.contains("ended with 1"), "{failed}");
    }
}
