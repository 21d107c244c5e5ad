//! Carries a repair out: an HTTP call, a command, a restart. Each within its time, its outcome in a sentence.

use super::spec::Action;
use lapwing_collect::probe::{Call, CommandLine, Look, call, run_command};
use std::path::Path;

/// Where a pod finds out how to talk to its cluster.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What it said when it worked, or why it did not.
pub(super) async fn carry_out(action: &Action, timeout_ms: i64, now_ms: i64) -> Result<String, String> {
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
        Action::SystemdRestart { unit } => {
            let argv = ["systemctl", "--no-ask-password", "restart", "--", unit];
            run(&look, &argv.map(str::to_owned)).await
        }
        Action::ContainerRestart { container } => {
            let url = format!("http://docker/containers/{container}/restart");
            let mut request = Call::new("POST", &url);
            request.unix_socket = Some(DOCKER_SOCKET.into());
            expect_2xx(call(&look, &request).await)
        }
        Action::KubernetesRestart { namespace, workload } => {
            let request = rollout_restart(namespace, workload, now_ms)?;
            expect_2xx(call(&look, &request).await)
        }
    }
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
fn rollout_restart(namespace: &str, workload: &str, now_ms: i64) -> Result<Call, String> {
    let (kind, name) = workload.split_once('/').ok_or("the workload is not KIND/NAME")?;
    let account = Path::new(ACCOUNT);
    let token = std::fs::read_to_string(account.join("token"))
        .map_err(|e| format!("not in a cluster ({ACCOUNT}/token: {e})"))?;
    let host = std::env::var("KUBERNETES_SERVICE_HOST").map_err(|_| "KUBERNETES_SERVICE_HOST is not set")?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT").unwrap_or_else(|_| "443".to_owned());
    let url = format!("https://{host}:{port}/apis/apps/v1/namespaces/{namespace}/{kind}s/{name}");
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
