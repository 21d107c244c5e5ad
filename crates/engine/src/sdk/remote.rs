//! To a server, in the background: one thread gathers, spools and sends; nobody ever waits for it but a flush with a deadline.
//!
//! A server that is away, slow or wrong costs this thread its time and the spool its oldest parcels, nothing else. What a server
//! refuses for good (4xx other than 408 and 429) is given up and counted: sending it again would block what comes after.

use super::fork::fork_gate;
use super::page::Sdk;
use super::spool::{Spool, in_parcels};
use crate::clock::Clock;
use lapwing_wire::remote_write::encode_v1;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// `http://host:9595`, without a path.
    pub url: String,
    pub token: Option<String>,
    pub interval: Duration,
    pub timeout: Duration,
    /// On every series: which program, which process.
    pub labels: Vec<(String, String)>,
    pub spool_bytes_max: usize,
    pub spool_dir: Option<PathBuf>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        RemoteOptions {
            url: "http://127.0.0.1:9595".to_owned(),
            token: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            labels: Vec::new(),
            spool_bytes_max: 16 << 20,
            spool_dir: None,
        }
    }
}

impl RemoteOptions {
    /// To this server, as this program: its series carry `job` and `instance`, the name of the machine with the process id.
    pub fn to(url: &str, job: &str) -> Self {
        let instance = format!("{}:{}", crate::hostname(), std::process::id());
        RemoteOptions {
            url: url.trim_end_matches('/').to_owned(),
            labels: vec![
                ("job".to_owned(), job.to_owned()),
                ("instance".to_owned(), instance),
            ],
            ..RemoteOptions::default()
        }
    }
}

/// How long the end of a program waits for what was not sent yet.
const EXIT_FLUSH: Duration = Duration::from_millis(200);

/// Sends everything that [`super::global`] is told to a server, in the background, until the guard is dropped, at the end of `main`: then what was not
/// sent yet is, within 200 ms. A server that is away costs the program nothing but the spool.
///
/// ```
/// use lapwing::sdk::{RemoteOptions, watch};
///
/// let _watching = watch(RemoteOptions::to("http://127.0.0.1:9595", "trainer"))?;
/// lapwing::track("step", || {});
/// # Ok::<(), lapwing::sdk::RemoteError>(())
/// ```
#[must_use = "it ends when this is dropped: keep it until the end of main"]
pub fn watch(options: RemoteOptions) -> Result<Watching, RemoteError> {
    Remote::start(super::global(), &Clock::system(), options).map(Watching)
}

/// A [`Remote`] that is stopped, after a last flush, when this is dropped.
#[derive(Debug)]
pub struct Watching(Remote);

impl std::ops::Deref for Watching {
    type Target = Remote;

    fn deref(&self) -> &Remote {
        &self.0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.stop(EXIT_FLUSH);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("{url:?} is not the address of a server: write http://host:port")]
    Url { url: String },
    #[error("the thread that sends cannot be started")]
    Thread(#[source] std::io::Error),
}

/// How sending goes.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct RemoteStatus {
    pub url: String,
    pub sent: u64,
    pub failed: u64,
    /// Refused for good by the server.
    pub refused: u64,
    /// Given up because the spool was full.
    pub dropped: u64,
    pub spooled: usize,
    pub spooled_bytes: usize,
    pub last_error: Option<String>,
    pub disk_error: Option<String>,
}

/// A cheap handle; the thread ends with [`Remote::stop`] or with the process.
#[derive(Clone, Debug)]
pub struct Remote {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sdk: Sdk,
    clock: Clock,
    options: RemoteOptions,
    state: Mutex<State>,
    /// Something is to be done, or was done.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    spool: Spool,
    status: RemoteStatus,
    /// How often everything was asked to be sent, and up to which of these it was.
    flushes_asked: u64,
    flushes_done: u64,
    stop: bool,
}

impl Remote {
    pub fn start(sdk: &Sdk, clock: &Clock, options: RemoteOptions) -> Result<Remote, RemoteError> {
        let wrong = || RemoteError::Url {
            url: options.url.clone(),
        };
        let rest = ["http://", "https://"]
            .iter()
            .find_map(|s| options.url.strip_prefix(s));
        if rest.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            return Err(wrong());
        }
        let spool = Spool::open(options.spool_bytes_max, options.spool_dir.clone());
        let shared = Arc::new(Shared {
            sdk: sdk.clone(),
            clock: clock.clone(),
            state: Mutex::new(State {
                spool,
                status: RemoteStatus {
                    url: options.url.clone(),
                    ..RemoteStatus::default()
                },
                flushes_asked: 0,
                flushes_done: 0,
                stop: false,
            }),
            options,
            changed: Condvar::new(),
        });
        let own = shared.clone();
        std::thread::Builder::new()
            .name("lapwing-remote".to_owned())
            .spawn(move || own.run())
            .map_err(RemoteError::Thread)?;
        Ok(Remote { shared })
    }

    /// Asks for everything to be sent now and waits for it, but not longer. Whether it was sent.
    pub fn flush(&self, at_most: Duration) -> bool {
        let mut state = self.shared.lock();
        state.flushes_asked += 1;
        let mine = state.flushes_asked;
        self.shared.changed.notify_all();
        let waiting = |state: &mut State| state.flushes_done < mine && !state.stop;
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, at_most, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.flushes_done >= mine && state.spool.len() == 0
    }

    pub fn status(&self) -> RemoteStatus {
        let state = self.shared.lock();
        let mut status = state.status.clone();
        status.dropped = state.spool.dropped;
        status.spooled = state.spool.len();
        status.spooled_bytes = state.spool.size_bytes();
        status.disk_error.clone_from(&state.spool.disk_error);
        status
    }

    pub fn stop(&self, at_most: Duration) -> bool {
        let flushed = self.flush(at_most);
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        flushed
    }
}

enum Sent {
    Yes,
    Later(String),
    Refused(String),
}

impl Shared {
    fn run(&self) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(self.options.timeout))
            .http_status_as_error(false)
            .build()
            .into();
        loop {
            let asked = {
                let state = self.lock();
                let idle = |state: &mut State| state.flushes_asked == state.flushes_done && !state.stop;
                let (state, _) = self
                    .changed
                    .wait_timeout_while(state, self.options.interval, idle)
                    .unwrap_or_else(PoisonError::into_inner);
                if state.stop {
                    return;
                }
                state.flushes_asked
            };
            self.gather();
            self.send_all(&agent);
            let mut state = self.lock();
            state.flushes_done = asked;
            self.changed.notify_all();
        }
    }

    fn gather(&self) {
        let _gate = fork_gate();
        let now_ms = self.clock.now_ms();
        let batch = self.sdk.gather(now_ms, &self.options.labels);
        let mut state = self.lock();
        let operations = self.sdk.tracker().take_fresh();
        if !batch.series.is_empty()
            && let Ok(body) = snap::raw::Encoder::new().compress_vec(&encode_v1(&batch))
        {
            state.spool.add("write", body, now_ms);
        }
        for body in in_parcels(&operations) {
            state.spool.add("operations", body, now_ms);
        }
    }

    /// The oldest first, until there is nothing or the server is away.
    fn send_all(&self, agent: &ureq::Agent) {
        loop {
            let parcel = {
                let _gate = fork_gate();
                let Some(parcel) = self.lock().spool.first().cloned() else {
                    return;
                };
                parcel
            };
            let sent = self.send(agent, parcel.path, parcel.content_type, &parcel.body);
            let _gate = fork_gate();
            let mut state = self.lock();
            // It may have been pushed out meanwhile.
            let still_first = state.spool.first() == Some(&parcel);
            match sent {
                Sent::Yes => {
                    state.status.sent += 1;
                    state.status.last_error = None;
                }
                Sent::Refused(reason) => {
                    state.status.refused += 1;
                    state.status.last_error = Some(reason);
                }
                Sent::Later(reason) => {
                    state.status.failed += 1;
                    state.status.last_error = Some(reason);
                    return;
                }
            }
            if still_first {
                state.spool.pop();
            }
        }
    }

    fn send(&self, agent: &ureq::Agent, path: &str, content_type: &str, body: &[u8]) -> Sent {
        let url = format!("{}{path}", self.options.url.trim_end_matches('/'));
        let mut request = agent.post(&url).header("content-type", content_type);
        if content_type.ends_with("protobuf") {
            request = request
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0");
        }
        if let Some(token) = &self.options.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match request.send(body) {
            Err(error) => Sent::Later(format!("{url} is not to be reached: {error}")),
            Ok(answer) => match answer.status().as_u16() {
                200..=299 if is_page(&answer) => Sent::Later(format!(
                    "{url} answered with a page of HTML: nothing takes metrics at that address"
                )),
                200..=299 => Sent::Yes,
                status @ (408 | 429 | 500..) => Sent::Later(format!("{url} answered {status}")),
                status => Sent::Refused(format!("{url} refused it: {status}")),
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A web page, of a path that does not exist, a proxy or a login, is no receipt.
fn is_page(answer: &ureq::http::Response<ureq::Body>) -> bool {
    answer
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::super::registry::MetricSpec;
    use super::*;
    use std::io::{Read, Write};

    fn sdk() -> Sdk {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let spec = MetricSpec {
            name: "a".to_owned(),
            ..MetricSpec::default()
        };
        sdk.registry().metric(spec).unwrap().with(&[]).unwrap();
        sdk
    }

    fn options(port: u16) -> RemoteOptions {
        RemoteOptions {
            url: format!("http://127.0.0.1:{port}"),
            timeout: Duration::from_secs(2),
            ..RemoteOptions::default()
        }
    }

    /// A server that answers each request with this status, and how many it has got.
    fn server(status: &'static str) -> (u16, std::sync::mpsc::Receiver<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (port, serve(listener, status))
    }

    fn serve(listener: std::net::TcpListener, status: &'static str) -> std::sync::mpsc::Receiver<String> {
        let (send, got) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut head = [0; 4096];
                let n = stream.read(&mut head).unwrap_or(0);
                let text = String::from_utf8_lossy(&head[..n]).into_owned();
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
                if send.send(text).is_err() {
                    return;
                }
            }
        });
        got
    }

    #[test]
    fn a_flush_sends_what_there_is() {
        let (port, got) = server("204 No Content");
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        assert!(remote.flush(Duration::from_secs(5)));
        assert!(got.recv().unwrap().starts_with("POST /api/v1/write "));
        assert_eq!(remote.status().sent, 1);
        remote.stop(Duration::from_secs(1));
    }

    #[test]
    fn a_server_that_is_away_costs_a_flush_its_deadline_and_the_program_nothing() {
        // Nobody listens on a port that was just given back.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        assert!(!remote.flush(Duration::from_secs(5)));
        let status = remote.status();
        assert!(status.failed >= 1 && status.spooled >= 1, "{status:?}");
    }

    #[test]
    fn what_is_refused_for_good_does_not_block_the_rest() {
        let (port, _got) = server("400 Bad Request");
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        remote.flush(Duration::from_secs(5));
        let status = remote.status();
        assert_eq!((status.refused, status.spooled), (1, 0), "{status:?}");
    }

    /// A wrong path in the address: everything was lost, and a flush said that it was sent.
    #[test]
    fn a_page_is_no_receipt() {
        let (port, _got) = server("200 OK\r\ncontent-type: text/html; charset=utf-8");
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        assert!(!remote.flush(Duration::from_secs(5)));
        let status = remote.status();
        assert_eq!((status.sent, status.spooled), (0, 1), "{status:?}");
        let reason = status.last_error.unwrap();
        assert!(
            reason.contains(&format!("http://127.0.0.1:{port}/api/v1/write")),
            "{reason}"
        );
        let (port, _got) = server("200 OK\r\ncontent-type: application/json");
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        assert!(remote.flush(Duration::from_secs(5)));
    }

    #[test]
    fn an_address_must_be_one() {
        let wrong = RemoteOptions {
            url: "localhost:9595".to_owned(),
            ..RemoteOptions::default()
        };
        assert!(Remote::start(&sdk(), &Clock::simulated(5), wrong).is_err());
    }

    /// A port on which nobody listens: it was just given back.
    fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn what_waited_arrives_once_the_server_is_back() {
        let port = free_port();
        let remote = Remote::start(&sdk(), &Clock::simulated(5), options(port)).unwrap();
        assert!(!remote.flush(Duration::from_secs(5)));
        assert!(!remote.flush(Duration::from_secs(5)));
        let waited = remote.status().spooled as u64;
        assert!(waited >= 2, "{waited}");
        let _got = serve(
            std::net::TcpListener::bind(("127.0.0.1", port)).unwrap(),
            "204 No Content",
        );
        assert!(remote.flush(Duration::from_secs(5)));
        let status = remote.status();
        assert_eq!(
            (status.sent, status.spooled, status.dropped),
            (waited + 1, 0, 0),
            "{status:?}"
        );
        assert_eq!(status.last_error, None);
        remote.stop(Duration::from_secs(1));
    }

    #[test]
    fn what_waits_is_bounded_and_the_oldest_is_given_up() {
        let bounded = RemoteOptions {
            spool_bytes_max: 200,
            ..options(free_port())
        };
        let remote = Remote::start(&sdk(), &Clock::simulated(5), bounded).unwrap();
        for _ in 0..20 {
            remote.flush(Duration::from_secs(5));
        }
        let status = remote.status();
        assert!(status.dropped > 0 && status.spooled_bytes <= 200, "{status:?}");
    }

    /// The server takes the connection and says nothing: worse than being away.
    #[test]
    fn a_server_that_hangs_holds_up_nobody_who_records() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sdk = sdk();
        let slow = RemoteOptions {
            timeout: Duration::from_secs(60),
            interval: Duration::from_millis(1),
            ..options(listener.local_addr().unwrap().port())
        };
        let remote = Remote::start(&sdk, &Clock::simulated(5), slow).unwrap();
        // It is being sent to now, and is not answered.
        let (_connection, _) = listener.accept().unwrap();
        let watch = crate::clock::Stopwatch::start();
        let handle = sdk.tracker().handle(&"step".to_owned().into(), "step", &[]);
        for _ in 0..1000 {
            handle.track(|| {});
        }
        assert!(!remote.flush(Duration::from_millis(50)));
        assert!(!remote.stop(Duration::from_millis(50)));
        assert!(watch.elapsed() < Duration::from_secs(30), "{:?}", watch.elapsed());
        assert!(
            sdk.exposition()
                .contains("outcome=\"success\",type=\"step\"} 1000")
        );
    }

    #[test]
    fn a_guard_sends_what_is_left_when_the_program_ends() {
        let (port, got) = server("204 No Content");
        let rarely = RemoteOptions {
            interval: Duration::from_secs(3600),
            labels: RemoteOptions::to("", "trainer").labels,
            ..options(port)
        };
        let watching = watch(rarely).unwrap();
        super::super::track("t_guarded", || {});
        drop(watching);
        let asked = got.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(asked.starts_with("POST /api/v1/write "), "{asked}");
    }
}
