//! Pods, services, endpoints, nodes and ingresses of a Kubernetes cluster, listed once and then watched.
//!
//! 1. Each kind of object that the role needs is listed; the answer's `resourceVersion` says from where to watch.
//! 2. All watches run at once. As soon as one brings events they are applied, the groups are made anew, and the watches
//!    go on from the versions reached; what another watch had half read comes again, as its version has not moved.
//! 3. A watch that the server ends is begun again; one that it calls too old (410) makes the kind be listed anew.

use super::config::{KubernetesConfig, KubernetesRole};
use super::error::DiscoveryError;
use super::group::TargetGroup;
use super::json::text;
use super::kubernetes_objects::{Objects, groups};
use super::provider::{Answer, BODY_BYTES_MAX, Provider};
use crate::http::{Authorization, FetchError, HttpClient, HttpConfig, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LIST_TIMEOUT_MS: i64 = 60_000;
/// The server ends a watch by itself after so long; ours waits a little longer for it.
const WATCH_S: i64 = 300;
const WATCH_TIMEOUT_MS: i64 = (WATCH_S + 30) * 1000;
/// Events are gathered for so long, or every pod of a rollout would make all groups anew.
const GATHER_MS: i64 = 1000;
/// One line of a watch is one object; etcd takes 1.5 MB at most.
const LINE_BYTES_MAX: usize = 16 << 20;
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A kind of object in one namespace (or all), as the API's path names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Resource {
    kind: Kind,
    path: String,
    selector: String,
}

/// Kinds that are fetched; the endpoints role needs several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Pods,
    Services,
    Endpoints,
    Slices,
    Nodes,
    Ingresses,
    Namespaces,
}

pub(super) struct KubernetesProvider {
    config: KubernetesConfig,
    client: HttpClient,
    base_url: String,
    resources: Vec<Resource>,
    /// Versions reached, by position in `resources`; `None`: to be listed.
    versions: Vec<Option<String>>,
    /// Objects by resource and then by namespace and name.
    known: Vec<BTreeMap<String, Value>>,
}

impl KubernetesProvider {
    pub(super) fn new(mut config: KubernetesConfig) -> Result<Self, DiscoveryError> {
        if config.namespaces.own_namespace {
            let own = own_namespace(Path::new(SERVICE_ACCOUNT))?;
            config.namespaces.names.extend(own);
        }
        let inside = config.api_server.is_empty();
        let base_url = if inside {
            "https://kubernetes.default.svc"
        } else {
            &config.api_server
        };
        let http = if inside {
            service_account(&config.http)
        } else {
            config.http.clone()
        };
        let resources = resources(&config);
        Ok(KubernetesProvider {
            client: HttpClient::new(&http)?,
            base_url: base_url.trim_end_matches('/').to_owned(),
            versions: vec![None; resources.len()],
            known: vec![BTreeMap::new(); resources.len()],
            resources,
            config,
        })
    }

    async fn refresh(&mut self, now_ms: i64) -> Result<Vec<TargetGroup>, DiscoveryError> {
        if self.versions.iter().all(Option::is_some) {
            self.watch(now_ms).await?;
        }
        for i in 0..self.resources.len() {
            if self.versions[i].is_none() {
                self.list(i, now_ms).await?;
            }
        }
        self.groups().await
    }

    /// Off the async threads, as a cluster may have tens of thousands of objects.
    async fn groups(&mut self) -> Result<Vec<TargetGroup>, DiscoveryError> {
        let (role, known) = (self.config.role, std::mem::take(&mut self.known));
        let kinds: Vec<Kind> = self.resources.iter().map(|r| r.kind).collect();
        let making = tokio::task::spawn_blocking(move || {
            let mut objects = Objects::default();
            for (kind, known) in kinds.into_iter().zip(&known) {
                objects.of_kind(kind).extend(known.values());
            }
            let groups = groups(role, &objects);
            (known, groups)
        });
        match making.await {
            Ok((known, groups)) => {
                self.known = known;
                Ok(groups)
            }
            Err(_) => {
                // A defect of ours: everything is listed anew.
                self.known = vec![BTreeMap::new(); self.resources.len()];
                self.versions = vec![None; self.resources.len()];
                Err(DiscoveryError::Invalid {
                    what: "an object of Kubernetes".to_owned(),
                    detail: "it could not be made into targets".to_owned(),
                })
            }
        }
    }

    fn url(&self, resource: &Resource, query: &str) -> String {
        format!("{}{}?{query}{}", self.base_url, resource.path, resource.selector)
    }

    async fn list(&mut self, i: usize, now_ms: i64) -> Result<(), DiscoveryError> {
        let url = self.url(&self.resources[i], "");
        let request = Request {
            url: &url,
            headers: &[("accept", "application/json")],
            timeout_ms: LIST_TIMEOUT_MS,
            body_bytes_max: BODY_BYTES_MAX,
            now_ms,
        };
        let fetched = self
            .client
            .get(&request)
            .await
            .map_err(|source| DiscoveryError::Fetch {
                url: url.clone(),
                source,
            })?;
        let read = tokio::task::spawn_blocking(move || serde_json::from_slice::<Value>(&fetched.body)).await;
        let invalid = |detail: String| DiscoveryError::Invalid {
            what: format!("the answer of {url}"),
            detail,
        };
        let answer = read
            .map_err(|e| invalid(e.to_string()))?
            .map_err(|e| invalid(e.to_string()))?;
        self.versions[i] = Some(text(&answer, "/metadata/resourceVersion").to_owned());
        let items = match answer {
            Value::Object(mut answer) => answer.remove("items"),
            _ => None,
        };
        let Some(Value::Array(items)) = items else {
            self.versions[i] = None;
            return Err(invalid("it is not a list".to_owned()));
        };
        self.known[i] = items.into_iter().map(|o| (key(&o), o)).collect();
        Ok(())
    }

    /// Waits until some watch brought events, and applies them.
    async fn watch(&mut self, now_ms: i64) -> Result<(), DiscoveryError> {
        let watches = self
            .resources
            .iter()
            .zip(&self.versions)
            .map(|(resource, version)| {
                let query = format!(
                    "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_S}&resourceVersion={}",
                    version.as_deref().unwrap_or("")
                );
                Box::pin(watch_one(&self.client, self.url(resource, &query), now_ms))
            });
        let (events, i, _) = futures_util::future::select_all(watches).await;
        for event in events? {
            self.apply(i, event);
        }
        Ok(())
    }

    fn apply(&mut self, i: usize, mut event: Value) {
        let object = event.pointer_mut("/object").map(Value::take).unwrap_or_default();
        let kind = text(&event, "/type");
        if kind == "ERROR" {
            self.versions[i] = None; // Most often 410: the version is too old to go on from.
            return;
        }
        let version = text(&object, "/metadata/resourceVersion");
        if !version.is_empty() {
            self.versions[i] = Some(version.to_owned());
        }
        match kind {
            "ADDED" | "MODIFIED" => {
                self.known[i].insert(key(&object), object);
            }
            "DELETED" => {
                self.known[i].remove(&key(&object));
            }
            _ => {} // BOOKMARK: only its version counts.
        }
    }
}

impl Provider for KubernetesProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(self.refresh(now_ms))
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(GATHER_MS)
    }

    fn name(&self) -> String {
        format!("kubernetes {:?} {}", self.config.role, self.base_url).to_lowercase()
    }
}

/// The events of the first piece that holds a whole one; none when the server ended the watch.
async fn watch_one(client: &HttpClient, url: String, now_ms: i64) -> Result<Vec<Value>, DiscoveryError> {
    let request = Request {
        url: &url,
        headers: &[("accept", "application/json")],
        timeout_ms: WATCH_TIMEOUT_MS,
        body_bytes_max: u64::MAX,
        now_ms,
    };
    let mut pending: Vec<u8> = Vec::new();
    let mut events = Vec::new();
    let mut bad = None;
    let streamed = client
        .stream(&request, &mut |piece| {
            pending.extend_from_slice(piece);
            let Some(end) = pending.iter().rposition(|b| *b == b'\n') else {
                return pending.len() <= LINE_BYTES_MAX;
            };
            for line in pending[..end].split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                match serde_json::from_slice(line) {
                    Ok(event) => events.push(event),
                    Err(e) => bad = Some(e.to_string()),
                }
            }
            false
        })
        .await;
    if let Some(detail) = bad {
        let what = format!("an event of {url}");
        return Err(DiscoveryError::Invalid { what, detail });
    }
    match streamed {
        Ok(_) => Ok(events),
        // Nothing happened for as long as the watch lasts.
        Err(FetchError::Timeout { .. }) => Ok(Vec::new()),
        Err(FetchError::Status { code: 410 }) => Ok(vec![serde_json::json!({"type": "ERROR"})]),
        Err(source) => Err(DiscoveryError::Fetch { url, source }),
    }
}

fn key(object: &Value) -> String {
    format!(
        "{}/{}",
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name")
    )
}

/// The namespace that a pod's file system names; elsewhere the wish cannot be met.
fn own_namespace(account: &Path) -> Result<Option<String>, DiscoveryError> {
    let file = account.join("namespace");
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|t| !t.is_empty())),
        Err(source) => Err(DiscoveryError::Read {
            what: file.display().to_string(),
            source,
        }),
    }
}

/// What a pod finds in its own file system, unless the config says otherwise.
fn service_account(http: &HttpConfig) -> HttpConfig {
    let mut http = http.clone();
    let own = PathBuf::from(SERVICE_ACCOUNT);
    let given = http.authorization.is_some()
        || http.basic_auth.is_some()
        || http.oauth2.is_some()
        || http.bearer_token.is_some()
        || http.bearer_token_file.is_some();
    if !given {
        http.authorization = Some(Authorization {
            credentials_file: Some(own.join("token")),
            ..Authorization::default()
        });
    }
    if http.tls_config.ca.is_none() && http.tls_config.ca_file.is_none() {
        http.tls_config.ca_file = Some(own.join("ca.crt"));
    }
    http
}

fn resources(config: &KubernetesConfig) -> Vec<Resource> {
    use Kind::{Endpoints, Ingresses, Nodes, Pods, Services, Slices};
    let kinds: &[(Kind, KubernetesRole, &str, &str)] = match config.role {
        KubernetesRole::Pod => &[(Pods, KubernetesRole::Pod, "/api/v1", "pods")],
        KubernetesRole::Service => &[(Services, KubernetesRole::Service, "/api/v1", "services")],
        KubernetesRole::Node => &[(Nodes, KubernetesRole::Node, "/api/v1", "nodes")],
        KubernetesRole::Endpoints => &[
            (Endpoints, KubernetesRole::Endpoints, "/api/v1", "endpoints"),
            (Services, KubernetesRole::Service, "/api/v1", "services"),
            (Pods, KubernetesRole::Pod, "/api/v1", "pods"),
        ],
        KubernetesRole::EndpointSlice => &[
            (
                Slices,
                KubernetesRole::EndpointSlice,
                "/apis/discovery.k8s.io/v1",
                "endpointslices",
            ),
            (Services, KubernetesRole::Service, "/api/v1", "services"),
            (Pods, KubernetesRole::Pod, "/api/v1", "pods"),
        ],
        KubernetesRole::Ingress => &[(
            Ingresses,
            KubernetesRole::Ingress,
            "/apis/networking.k8s.io/v1",
            "ingresses",
        )],
    };
    let mut kinds = kinds.to_vec();
    let attach = config.attach_metadata;
    // A service or an ingress runs on no node, and a node is in no namespace.
    if attach.node && kinds.iter().any(|(kind, ..)| *kind == Pods) {
        kinds.push((Nodes, KubernetesRole::Node, "/api/v1", "nodes"));
    }
    if attach.namespace && config.role != KubernetesRole::Node {
        // No selector speaks of namespaces: one for nodes would be the only other without a namespace.
        kinds.push((Kind::Namespaces, config.role, "/api/v1", "namespaces"));
    }
    let mut resources = Vec::new();
    for (kind, role, base, plural) in &kinds {
        let mut selector = String::new();
        let is_selected = *kind != Kind::Namespaces;
        for s in config.selectors.iter().filter(|s| s.role == *role && is_selected) {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in [("labelSelector", &s.label), ("fieldSelector", &s.field)] {
                if !value.is_empty() {
                    form.append_pair(name, value);
                }
            }
            selector = format!("&{}", form.finish());
        }
        let mut add = |path: String| {
            resources.push(Resource {
                kind: *kind,
                path,
                selector: selector.clone(),
            });
        };
        if config.namespaces.names.is_empty() || matches!(kind, Nodes | Kind::Namespaces) {
            add(format!("{base}/{plural}"));
        } else {
            for namespace in &config.namespaces.names {
                add(format!("{base}/namespaces/{namespace}/{plural}"));
            }
        }
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_stands_in_a_file_of_the_pod() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("namespace"), "ml\n").unwrap();
        assert_eq!(own_namespace(folder.path()).unwrap().as_deref(), Some("ml"));
        std::fs::write(folder.path().join("namespace"), "").unwrap();
        assert_eq!(own_namespace(folder.path()).unwrap(), None);
        let outside = own_namespace(&folder.path().join("gone"))
            .unwrap_err()
            .to_string();
        assert!(outside.ends_with("gone/namespace cannot be read"), "{outside}");
    }
}
