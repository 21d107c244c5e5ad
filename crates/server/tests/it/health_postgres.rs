//! PostgreSQL stops, is started again by the repair, and runs short of connections: what is told of it, and that it is over.
//!
//! Needs: psql

use crate::health::serve;
use crate::health_pages::{page_of, repair_steps, telling, text};
use crate::paging::receiver;
use crate::support::{Server, free_port};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// With so few, a handful of clients is a crowd.
const CONNECTIONS_MAX: &str = "10";

/// A server of the test's own; stopped with it.
pub(crate) struct Postgres {
    programs: PathBuf,
    dir: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Postgres {
    /// `None` where it is not installed, or no user is at hand who may run it.
    pub(crate) fn start() -> Option<Postgres> {
        let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let port = free_port();
        let server = Postgres {
            programs: programs()?,
            dir,
            port,
        };
        let data = server.data();
        let made = server.run("initdb", &["-U", "ann", "--auth=trust", "--no-sync", "-D", &data]);
        (made && server.control(&["start"])).then_some(server)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    /// What starts it again, as a person would write it into the configuration.
    fn start_words(&self) -> Vec<String> {
        let log = self.dir.path().join("log").display().to_string();
        let settings = format!(
            "-p {} -h 127.0.0.1 -k '' -F -c max_connections={CONNECTIONS_MAX} -c superuser_reserved_connections=0 -c max_wal_senders=0",
            self.port
        );
        let words = [
            "-D",
            &self.data(),
            "-l",
            &log,
            "-w",
            "-t",
            "120",
            "-o",
            &settings,
            "start",
        ];
        let mut all = as_other(&self.programs.join("pg_ctl"));
        all.extend(words.map(str::to_owned));
        all
    }

    fn control(&self, words: &[&str]) -> bool {
        if words == ["start"] {
            let all = self.start_words();
            return succeeds(Command::new(&all[0]).args(&all[1..]));
        }
        self.run("pg_ctl", &[&["-D", &self.data(), "-w"], words].concat())
    }

    fn run(&self, program: &str, words: &[&str]) -> bool {
        let all = as_other(&self.programs.join(program));
        succeeds(Command::new(&all[0]).args(&all[1..]).args(words))
    }

    /// A client that logs in and stays.
    fn client(&self) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let body = b"\0\x03\0\0user\0ann\0database\0postgres\0\0";
        let length = (body.len() as u32 + 4).to_be_bytes();
        stream.write_all(&[&length[..], body].concat()).unwrap();
        let mut head = [0; 5];
        while head[0] != b'Z' {
            stream.read_exact(&mut head).expect("the server takes the login");
            assert_ne!(head[0], b'E', "the server refuses the login");
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            stream.read_exact(&mut vec![0; length - 4]).unwrap();
        }
        stream
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.control(&["-m", "immediate", "stop"]);
    }
}

/// Debian puts the server's programs where no PATH leads.
fn programs() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut dirs: Vec<PathBuf> = found.flatten().map(|e| e.path().join("bin")).collect();
    dirs.sort();
    dirs.into_iter().rev().find(|d| d.join("initdb").exists())
}

/// It refuses to run as root; then its own user does.
fn as_other(program: &Path) -> Vec<String> {
    let program = program.display().to_string();
    if !rustix::process::getuid().is_root() {
        return vec![program];
    }
    let words = [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--clear-groups",
    ];
    words.map(str::to_owned).into_iter().chain([program]).collect()
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.current_dir("/tmp").stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

fn config(url: &str, postgres: &Postgres) -> String {
    let again: Vec<String> = postgres
        .start_words()
        .iter()
        .map(|w| serde_json::json!(w).to_string())
        .collect();
    format!(
        "{}host: {{ enabled: false }}\ndiscover: {{ local: false }}\nrules:\n  \
         - {{ name: down, condition: 'lapwing_health_state{{check=\"db\"}} >= 2', severity: critical }}\n  \
         - {{ name: short, condition: 'lapwing_health_state{{check=\"db\"}} == 1', severity: warning }}\n\
         checks:\n  - name: db\n    interval: 300ms\n    timeout: 10s\n    failures: 2\n    passes: 20\n    \
         postgres: {{ address: '127.0.0.1:{}', user: ann, database: postgres, query: 'SELECT 40 + 2', expect: '42', \
         connections: {{ degraded: 50, unhealthy: 95 }} }}\n    \
         recovery: [{{ on: unhealthy, name: again, limit: 2 per hour, timeout: 150s, verify_within: 170s, action: {{ command: [{}] }} }}]\n",
        telling(url),
        postgres.port,
        again.join(", ")
    )
}

fn is(server: &Server, state: &str) {
    server.until("/api/v1/health", |a| {
        a.json()["data"]["checks"][0]["state"] == state
    });
}

#[test]
fn postgres_stops_is_started_again_and_runs_short_of_connections() {
    let Some(postgres) = Postgres::start() else {
        eprintln!("SKIPPED postgres_stops_is_started_again: there is no postgresql");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (url, pages) = receiver();
    let server = serve(dir.path(), &config(&url, &postgres));
    is(&server, "healthy");

    assert!(postgres.control(&["-m", "fast", "stop"]));
    let page = page_of(&pages, "down", "firing");
    let why = text(&page, "diagnosis");
    assert!(
        why.contains("db is unhealthy: refused") && why.contains("last good"),
        "{page:#}"
    );
    // Nobody but the repair starts it again.
    let page = page_of(&pages, "down", "resolved");
    assert!(
        text(&page, "repairs").starts_with("again (command): start → action_done"),
        "{page:#}"
    );
    server.until("/api/v1/health/repairs", |a| a.body.contains("worked"));
    assert_eq!(repair_steps(&server), ["start", "action_done", "worked"]);
    is(&server, "healthy");

    // With the probe itself seven of ten.
    let crowd: Vec<TcpStream> = (0..6).map(|_| postgres.client()).collect();
    let page = page_of(&pages, "short", "firing");
    let why = text(&page, "diagnosis");
    assert!(
        why.contains("threshold: the limit of connections is used to 70.0 %"),
        "{page:#}"
    );
    server.until("/api/v1/query?query=probe_postgres_connections_used_ratio", |a| {
        a.body.contains("0.7")
    });
    drop(crowd);
    page_of(&pages, "short", "resolved");
    is(&server, "healthy");
    assert_eq!(
        repair_steps(&server).len(),
        3,
        "what is only degraded is not restarted"
    );
}
