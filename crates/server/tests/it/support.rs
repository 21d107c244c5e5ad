//! A real `lapwing` process on a free loopback port, and a small client for it.

use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};
use lapwing_wire::remote_write::encode_v1;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// Ends with the test, whatever happens; only this process is ever ended.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    agent: ureq::Agent,
    told: Arc<Mutex<String>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The body as it came.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// A start takes milliseconds, the demo of a debug build half a minute, and on two loaded cores three; who waits gets this long.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// What is waited for of a server that runs takes seconds; a machine under load gets this long.
const READY_TIMEOUT: Duration = Duration::from_secs(180);

/// What is waited for is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A crash run's whole matrix is the largest answer.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

impl Server {
    /// Starts on `data`, with more arguments, and waits until it says that it is ready.
    pub(crate) fn start(data: &Path, args: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(args);
        Server::spawn(&mut command)
    }

    /// Starts this command and waits until it says that it is ready.
    pub(crate) fn spawn(command: &mut Command) -> Server {
        let mut child = command
            .current_dir(std::env::temp_dir())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let said = child.stderr.take().expect("stderr is piped");
        Server::when_ready(child, said)
    }

    /// Starts the demo in a new directory, and waits until its history is made.
    pub(crate) fn start_demo(dir: &Path) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(["demo", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let said = child.stdout.take().expect("stdout is piped");
        Server::when_ready(child, said)
    }

    fn when_ready(child: Child, said: impl std::io::Read + Send + 'static) -> Server {
        let (ready, wait) = mpsc::channel();
        let told = Arc::new(Mutex::new(String::new()));
        let tell = told.clone();
        std::thread::spawn(move || {
            // Reads to the end, so that the child never blocks on a full pipe.
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                let mut told = tell.lock().unwrap();
                told.push_str(&line);
                told.push('\n');
                drop(told);
                let scheme = ["http://", "https://"].iter().find_map(|s| line.find(s));
                let says_ready = line.contains("is ready on") || line.starts_with("open ");
                if let Some(at) = scheme.filter(|_| says_ready) {
                    let url = line[at..].split_whitespace().next().unwrap_or("").to_owned();
                    let _ = ready.send(url);
                }
            }
        });
        let url = wait
            .recv_timeout(START_TIMEOUT)
            .expect("the server becomes ready");
        Server {
            child,
            url,
            agent: agent(),
            told,
        }
    }

    /// What it has written so far.
    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let response = self.agent.get(format!("{}{path}", self.url)).call();
        answer(response).expect("the server answers")
    }

    /// Asks until the answer is as wanted, for as long as a busy machine may need.
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let watch = lapwing::clock::Stopwatch::start();
        loop {
            let answer = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(
                watch.elapsed() < READY_TIMEOUT,
                "{path} never became as wanted: {}",
                answer.body
            );
            // Asking without a pause would take the processor from the one that is asked.
            std::thread::park_timeout(ASK_AGAIN);
        }
    }

    /// Asks until there is a value, and returns the first.
    pub(crate) fn value_of(&self, expr: &str) -> String {
        let text = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect::<String>();
        let answer = self.until(&format!("/api/v1/query?query={text}"), |a| {
            a.body.contains("\"value\"")
        });
        let value = answer.json()["data"]["result"][0]["value"][1].clone();
        value.as_str().unwrap_or("").to_owned()
    }

    pub(crate) fn query(&self, expr: &str, at_s: f64) -> serde_json::Value {
        let text = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect::<String>();
        let answer = self.get(&format!("/api/v1/query?query={text}&time={at_s}"));
        assert_eq!(answer.status, 200, "{expr}: {}", answer.body);
        answer.json()["data"]["result"].clone()
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_post(path, headers, body).expect("the server answers")
    }

    /// An error when the connection broke, as it does when the server is killed meanwhile.
    pub(crate) fn try_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    /// Any method, for those that `get` and `post` do not cover.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a valid request");
        let agent = self
            .agent
            .configure_request(request)
            .allow_non_standard_methods(true)
            .build();
        answer(self.agent.run(agent)).expect("the server answers")
    }

    pub(crate) fn remote_write(&self, batch: &WriteBatch) -> Result<Answer, ureq::Error> {
        let packed = snap::raw::Encoder::new()
            .compress_vec(&encode_v1(batch))
            .expect("snappy packs");
        let headers = [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
        ];
        self.try_post("/api/v1/write", &headers, &packed)
    }

    /// Silences an alert for an hour.
    pub(crate) fn silence(&self, alertname: &str, comment: &str) {
        let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
        let body = serde_json::json!({
            "matchers": [{ "name": "alertname", "value": alertname, "isRegex": false }],
            "startsAt": time(now_ms()),
            "endsAt": time(now_ms() + 3_600_000),
            "createdBy": "someone",
            "comment": comment,
        });
        let json = [("Content-Type", "application/json")];
        let answer = self.post("/api/v2/silences", &json, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// How many silences it knows.
    pub(crate) fn silences(&self) -> usize {
        self.get("/api/v2/silences").json().as_array().unwrap().len()
    }

    /// SIGKILL: no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process ends");
    }

    /// SIGTERM, and waits; true when it ended by itself with success.
    pub(crate) fn terminate(mut self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process can be told");
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// Waits for the end that it was asked for; true when that was a good one.
    pub(crate) fn ends_well(mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// SIGTERM, and waits until the port is shut; true when it ended by itself with success.
    pub(crate) fn tell_to_stop(&self) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process can be told");
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        let ended = rustix::process::waitid(rustix::process::WaitId::Pid(pid), options);
        ended.ok().flatten().and_then(|s| s.exit_status()) == Some(0)
    }

    /// Closes the other end of its standard input, and waits; true when it ended by itself with success.
    pub(crate) fn close_stdin(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().is_ok_and(|status| status.success())
    }

    /// SIGHUP: the configuration is to be read again.
    pub(crate) fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("the process can be told");
    }

    /// SIGSTOP, and SIGCONT after this time: it does not get to run meanwhile.
    pub(crate) fn pause(&mut self, time: Duration) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let tell = |signal| rustix::process::kill_process(pid, signal).expect("the process can be told");
        tell(rustix::process::Signal::STOP);
        let watch = lapwing::clock::Stopwatch::start();
        while watch.elapsed() < time {
            std::thread::park_timeout(time.saturating_sub(watch.elapsed()));
        }
        tell(rustix::process::Signal::CONT);
        // Its first act is to close the connections that were silent for so long.
        self.agent = agent();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build();
    config.into()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that is not ours; ended with the test.
pub(crate) struct Peer {
    child: Child,
}

impl Peer {
    /// `None` when it is not installed. Nobody waits for it: whoever asks it tries again.
    pub(crate) fn start(program: impl AsRef<std::ffi::OsStr>, arguments: &[String]) -> Option<Peer> {
        let child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Peer { child })
    }

    /// SIGTERM, and waits.
    pub(crate) fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process can be told");
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For peers that do not say which port they took; free now, and most likely a moment later.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, ureq::Error> {
    let mut response = response?;
    let headers = response
        .headers()
        .iter()
        .map(|(n, v)| (n.as_str().to_owned(), v.to_str().unwrap_or("").to_owned()))
        .collect();
    let body = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BYTES_MAX)
        .read_to_vec()?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers,
        // A picture is no text; what of it is asked about is.
        body: String::from_utf8_lossy(&body).into_owned(),
        bytes: body,
    })
}

/// Whether this program is installed.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Lets a command run to its end.
pub(crate) fn said_by(command: &mut Command) -> Said {
    let output = command.output().expect("it starts");
    Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// One series with these samples.
pub(crate) fn series(pairs: &[(&str, &str)], samples: &[(i64, f64)]) -> SeriesWrite {
    SeriesWrite {
        labels: Labels::from_pairs(pairs.iter().copied()).expect("valid labels"),
        samples: samples
            .iter()
            .map(|&(t_ms, value)| Sample { t_ms, value })
            .collect(),
        ..SeriesWrite::default()
    }
}

/// Milliseconds since 1970, for data that must be recent.
pub(crate) fn now_ms() -> i64 {
    lapwing::Clock::system().now_ms()
}
