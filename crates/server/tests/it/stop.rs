//! SIGTERM while many write: whatever was acknowledged is there afterwards. And the end of standard input, which is how a child learns
//! that its parent is gone.

use crate::support::{Server, now_ms, series};
use lapwing_types::WriteBatch;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const WRITERS: usize = 6;
/// Requests that must have been acknowledged before the server is told to stop.
const BEFORE: usize = 200;

#[test]
fn a_stop_under_load_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let t0_ms = now_ms() - 60_000;
    let acknowledged = Mutex::new(Vec::new());
    let is_stopping = AtomicBool::new(false);
    let is_clean = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, acknowledged, is_stopping) = (&server, &acknowledged, &is_stopping);
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("{writer}-{number}");
                    let one = series(&[("__name__", "kept"), ("n", &name)], &[(t0_ms, 1.0)]);
                    let batch = WriteBatch {
                        series: vec![one],
                        metadata: Vec::new(),
                    };
                    match server.remote_write(&batch) {
                        Ok(answer) if answer.status == 204 => acknowledged.lock().unwrap().push(name),
                        // Nothing was promised.
                        _ if is_stopping.load(Ordering::SeqCst) => return,
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
        while acknowledged.lock().unwrap().len() < BEFORE {
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        is_stopping.store(true, Ordering::SeqCst);
        server.tell_to_stop()
    });
    assert!(is_clean, "a clean stop");
    drop(server);
    let server = Server::start(dir.path(), &[]);
    let found = server.query("kept", t0_ms as f64 / 1000.0);
    let found: std::collections::BTreeSet<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| s["metric"]["n"].as_str())
        .collect();
    let lost: Vec<String> = acknowledged
        .into_inner()
        .unwrap()
        .into_iter()
        .filter(|n| !found.contains(n.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} acknowledged and lost: {:?}",
        lost.len(),
        lost.first()
    );
}

#[test]
fn a_child_ends_in_order_when_its_standard_input_does() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command
        .args([
            "serve",
            "--memory",
            "--listen",
            "127.0.0.1:0",
            "--exit-with-stdin",
        ])
        .stdin(std::process::Stdio::piped());
    let server = Server::spawn(&mut command);
    assert_eq!(server.get("/-/ready").status, 200);
    assert!(server.close_stdin(), "a clean stop");
}
