//! A tower layer for HTTP services: rate, errors and duration by method and route, and how many requests are going on.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::get};
//! use lapwing::sdk::{HttpLayer, global};
//!
//! let app: Router = Router::new()
//!     .route("/users/{id}", get(|| async { "a user" }))
//!     .layer(HttpLayer::new(global()));       // the route is `/users/{id}`, not what a user typed
//! # let _ = app;
//! # }
//! ```
//!
//! Counts `http_requests_total{method, route, status}`, holds `http_requests_in_progress`, and each request is an operation of type `request` named
//! by its route, so that conditions such as `error_rate` and `p95_latency` read it. Status 500 and above and a failing service are failures; a
//! caller that leaves before the answer is there counts with the status `cancelled` and is nobody's failure. A request lasts until the head of its answer.
//!
//! The names are those of the Python package, so that one dashboard shows both. Bounds: the method is a known one or `_other_`, the route
//! is a pattern of the program or `_unmatched_`, and of routes made otherwise there are at most `ROUTES_MAX`.

use super::cells::Gauge;
use super::operations::OperationHandle;
use super::page::Sdk;
use super::registry::{Family, Metric, MetricSpec};
use super::track::Timing;
use http::{Method, Request, Response};
use lapwing_judge::performance::OperationKind;
use lapwing_types::MetricKind;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Routes that are told apart; further ones are `_other_`.
const ROUTES_MAX: usize = 500;

const UNMATCHED: &str = "_unmatched_";
const OTHER: &str = "_other_";

type RouteOf = Arc<dyn Fn(&http::Extensions, &http::Uri) -> Option<String> + Send + Sync>;

/// See the head of this module.
#[derive(Clone)]
pub struct HttpLayer(Arc<Watch>);

struct Watch {
    sdk: Sdk,
    model: String,
    route_of: RouteOf,
    requests: Option<Family>,
    in_progress: Gauge,
    handles: RwLock<HashMap<String, OperationHandle>>,
}

impl fmt::Debug for HttpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLayer")
            .field("model", &self.0.model)
            .finish_non_exhaustive()
    }
}

impl HttpLayer {
    /// With the feature `axum` the route is the matched path; without it, or where nothing matched, [`HttpLayer::routes`] says it.
    pub fn new(sdk: &Sdk) -> Self {
        HttpLayer::with(sdk, "", Arc::new(|extensions, _| matched_path(extensions)))
    }

    /// The `model` that these requests are for.
    pub fn model(self, model: &str) -> Self {
        HttpLayer::with(&self.0.sdk, model, self.0.route_of.clone())
    }

    /// How a route is told from a request, for routers other than axum's. Patterns, not paths: `None` is `_unmatched_`.
    pub fn routes(
        self,
        route_of: impl Fn(&http::Extensions, &http::Uri) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        HttpLayer::with(&self.0.sdk, &self.0.model, Arc::new(route_of))
    }

    fn with(sdk: &Sdk, model: &str, route_of: RouteOf) -> Self {
        let spec = |name: &str, kind, help: &str, labels: &[&str]| MetricSpec {
            name: name.to_owned(),
            kind,
            help: help.to_owned(),
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            ..MetricSpec::default()
        };
        let requests = spec(
            "http_requests_total",
            MetricKind::Counter,
            "HTTP requests.",
            &["method", "route", "status"],
        );
        let in_progress = spec(
            "http_requests_in_progress",
            MetricKind::Gauge,
            "HTTP requests that are going on.",
            &[],
        );
        let in_progress = sdk.registry().metric(in_progress).and_then(|f| f.with(&[]));
        HttpLayer(Arc::new(Watch {
            requests: sdk.registry().metric(requests).ok(),
            // Taken by another metric of the program: then it is counted and not shown.
            in_progress: match in_progress {
                Ok(Metric::Gauge(gauge)) => gauge,
                _ => Gauge::default(),
            },
            sdk: sdk.clone(),
            model: model.to_owned(),
            route_of,
            handles: RwLock::default(),
        }))
    }
}

#[cfg(feature = "axum")]
fn matched_path(extensions: &http::Extensions) -> Option<String> {
    let matched = extensions.get::<axum::extract::MatchedPath>()?;
    Some(matched.as_str().to_owned())
}

#[cfg(not(feature = "axum"))]
fn matched_path(_: &http::Extensions) -> Option<String> {
    None
}

impl Watch {
    /// The route under which a request counts, and its handle.
    fn handle(&self, route: Option<String>) -> (String, OperationHandle) {
        let mut route = route
            .filter(|r| !r.is_empty())
            .unwrap_or_else(|| UNMATCHED.to_owned());
        let known = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(&route) {
            return (route, handle.clone());
        }
        drop(known);
        let mut known = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ROUTES_MAX {
            route = OTHER.to_owned();
        }
        let labels = [("model", self.model.as_str())];
        let fresh = || {
            self.sdk
                .tracker()
                .handle(&OperationKind::Request, &route, &labels)
        };
        let handle = known.entry(route.clone()).or_insert_with(fresh).clone();
        (route, handle)
    }

    fn count(&self, method: &str, route: &str, status: &str) {
        let found = self.requests.as_ref().map(|f| f.with(&[method, route, status]));
        if let Some(Ok(Metric::Counter(counter))) = found {
            counter.inc();
        }
    }
}

fn method_of(method: &Method) -> &'static str {
    let known = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT",
    ];
    known.into_iter().find(|k| *k == method.as_str()).unwrap_or(OTHER)
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService {
            inner,
            watch: self.0.clone(),
        }
    }
}

/// A service whose requests are counted and timed.
#[derive(Clone)]
pub struct HttpService<S> {
    inner: S,
    watch: Arc<Watch>,
}

impl<S: fmt::Debug> fmt::Debug for HttpService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for HttpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<Response<R>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = (self.watch.route_of)(request.extensions(), request.uri());
        let (route, handle) = self.watch.handle(route);
        let going = Going {
            method: method_of(request.method()),
            status: None,
            route,
            watch: self.watch.clone(),
        };
        going.watch.in_progress.add(1.0);
        let answering = self.inner.call(request);
        Box::pin(async move {
            // All of it, and not the one field that is set below: it has to end with this future.
            let mut going = going;
            let timing: Timing<'_> = handle.begin();
            let answer = answering.await;
            let status = answer.as_ref().map_or(500, |a| a.status().as_u16());
            going.status = Some(status);
            timing.finish(status < 500);
            answer
        })
    }
}

/// A request that is going on; it ends when this is dropped, however that comes.
struct Going {
    method: &'static str,
    route: String,
    status: Option<u16>,
    watch: Arc<Watch>,
}

impl Drop for Going {
    fn drop(&mut self) {
        self.watch.in_progress.add(-1.0);
        let status = match self.status {
            Some(status) => status.to_string(),
            None if std::thread::panicking() => "500".to_owned(),
            None => "cancelled".to_owned(),
        };
        self.watch.count(self.method, &self.route, &status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;

    fn app(sdk: &Sdk) -> Router {
        Router::new()
            .route("/users/{id}", get(|| async { "a user" }))
            .route(
                "/broken",
                get(|| async { (http::StatusCode::INTERNAL_SERVER_ERROR, "no") }),
            )
            .route("/endless", get(std::future::pending::<&str>))
            .layer(HttpLayer::new(sdk).model("a"))
    }

    fn request(method: &str, path: &str) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap()
    }

    fn check(page: &str, line: &str) {
        assert!(page.contains(line), "{line}\n{page}");
    }

    #[tokio::test]
    async fn a_request_is_counted_by_its_pattern_and_status() {
        let sdk = Sdk::new(Clock::simulated(0));
        let mut app = app(&sdk);
        for (method, path) in [
            ("GET", "/users/7"),
            ("GET", "/users/8"),
            ("GET", "/broken"),
            ("GET", "/wp-admin"),
            ("BREW", "/users/9"),
        ] {
            let answered = Service::call(&mut app, request(method, path)).await;
            assert!(answered.is_ok());
        }
        let page = sdk.exposition();
        check(
            &page,
            r#"http_requests_total{method="GET",route="/users/{id}",status="200"} 2"#,
        );
        check(
            &page,
            r#"http_requests_total{method="GET",route="/broken",status="500"} 1"#,
        );
        check(
            &page,
            r#"http_requests_total{method="_other_",route="/users/{id}",status="405"} 1"#,
        );
        check(
            &page,
            r#"lapwing_operations_total{model="a",operation="/broken",outcome="error",type="request"} 1"#,
        );
        check(&page, "http_requests_in_progress 0");
        assert!(!page.contains("wp-admin"), "{page}");
    }

    #[tokio::test]
    async fn a_caller_that_leaves_is_no_failure_and_no_longer_in_progress() {
        let sdk = Sdk::new(Clock::simulated(0));
        let mut app = app(&sdk);
        let mut answering = Box::pin(Service::call(&mut app, request("GET", "/endless")));
        let waiting =
            std::future::poll_fn(|context| Poll::Ready(answering.as_mut().poll(context).is_pending()));
        assert!(waiting.await);
        check(&sdk.exposition(), "http_requests_in_progress 1");
        drop(answering);
        let page = sdk.exposition();
        check(&page, "http_requests_in_progress 0");
        check(&page, r#"route="/endless",status="cancelled"} 1"#);
        check(
            &page,
            r#"operation="/endless",outcome="abandoned",type="request"} 1"#,
        );
    }

    #[tokio::test]
    async fn routes_that_a_program_makes_up_are_bounded() {
        let sdk = Sdk::new(Clock::simulated(0));
        let layer = HttpLayer::new(&sdk).routes(|_, uri| Some(uri.path().to_owned()));
        let mut app = layer.layer(Router::<()>::new());
        for i in 0..ROUTES_MAX + 50 {
            let answered = Service::call(&mut app, request("GET", &format!("/{i}"))).await;
            assert!(answered.is_ok());
        }
        let series = sdk.registry().get("http_requests_total").unwrap().series();
        assert_eq!(series.len(), ROUTES_MAX + 1);
        check(&sdk.exposition(), r#"route="_other_",status="404"} 50"#);
    }
}
