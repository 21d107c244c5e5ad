//! A full disk, on a small file system of its own: writing is refused in a way that senders understand, reading goes on, and with
//! room again everything heals by itself. Nothing that was acknowledged is missing, then or after a kill.

use crate::support::{Server, now_ms, series};
use lapwing_types::WriteBatch;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|out| out.status.success())
            .then(|| SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A step's samples: 2 000 series whose values do not compress.
fn batch(step: i64, t_ms: i64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for number in 0..2_000i64 {
        let name = number.to_string();
        let pairs = [("__name__", "noise"), ("n", name.as_str())];
        batch.series.push(series(&pairs, &[(t_ms, noise(step, number))]));
    }
    batch
}

fn noise(step: i64, number: i64) -> f64 {
    let mixed = (step * 2_003 + number)
        .unsigned_abs()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 12) as f64 / 7.0
}

fn check(server: &Server, acknowledged: &[(i64, i64)]) {
    for (step, t_ms) in acknowledged.iter().step_by(7).chain(acknowledged.last()) {
        let found = server.query("noise{n=\"1234\"}", *t_ms as f64 / 1000.0);
        let text = found[0]["value"][1]
            .as_str()
            .unwrap_or_else(|| panic!("step {step} is missing"));
        assert_eq!(text.parse::<f64>().unwrap(), noise(*step, 1_234), "step {step}");
    }
    let (first, last) = (acknowledged.first().unwrap().1, acknowledged.last().unwrap().1);
    let range_s = (last - first) / 1000 + 1;
    let counted = server.query(
        &format!("min(count_over_time(noise[{range_s}s]))"),
        last as f64 / 1000.0,
    );
    let count: f64 = counted[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(
        count >= acknowledged.len() as f64,
        "{count} of {} are there",
        acknowledged.len()
    );
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk")) else {
        eprintln!(
            "SKIPPED a_full_disk_refuses_writes_serves_reads_and_heals: mounting a tmpfs is not permitted"
        );
        return;
    };
    let (ballast, data) = (disk.0.join("ballast"), disk.0.join("data"));
    let server = Server::start(&data, &[]);
    std::fs::write(&ballast, vec![1u8; 8 << 20]).unwrap();
    let start_ms = now_ms() - 3_600_000;
    let (mut acknowledged, mut refused) = (Vec::new(), None);
    for step in 0..2_000 {
        let t_ms = start_ms + step * 1_000;
        let answer = server.remote_write(&batch(step, t_ms)).unwrap();
        if answer.status != 204 {
            refused = Some((step, t_ms, answer));
            break;
        }
        acknowledged.push((step, t_ms));
    }
    let (step, t_ms, answer) = refused.expect("the disk runs full");
    assert!(acknowledged.len() > 10, "{} steps fit", acknowledged.len());
    assert_eq!(answer.status, 503, "{}", answer.body);
    let wait_s: u64 = answer
        .header("retry-after")
        .expect("when to come again")
        .parse()
        .unwrap();
    assert!(wait_s > 0 && !answer.body.is_empty());
    // Still full, and still answering.
    assert_eq!(server.remote_write(&batch(step, t_ms)).unwrap().status, 503);
    check(&server, &acknowledged);
    assert_eq!(server.get("/-/healthy").status, 200);
    // Room again: no restart is needed.
    std::fs::remove_file(&ballast).unwrap();
    for step in step..step + 10 {
        let t_ms = start_ms + step * 1_000;
        let answer = server.remote_write(&batch(step, t_ms)).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
        acknowledged.push((step, t_ms));
    }
    check(&server, &acknowledged);
    server.kill();
    let server = Server::start(&data, &[]);
    check(&server, &acknowledged);
    assert!(server.terminate());
}

/// A model that was refused for want of room is not watched all the same until a restart forgets it.
#[test]
fn a_model_that_a_full_disk_refuses_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk")) else {
        eprintln!(
            "SKIPPED a_model_that_a_full_disk_refuses_does_not_count: mounting a tmpfs is not permitted"
        );
        return;
    };
    let server = Server::start(&disk.0.join("data"), &[]);
    let yaml = [("content-type", "application/yaml")];
    let send = |name: &str| {
        let text = format!("{{ name: {name}, endpoints: [{{ url: 'http://127.0.0.1:9' }}] }}");
        server.post("/api/v1/models", &yaml, text.as_bytes()).status
    };
    let is_watched = |name: &str| server.get("/api/v1/models").body.contains(&format!("\"{name}\""));
    assert_eq!(send("before"), 200);
    // To the brim; the log of the database has room that it took before, so more than one is tried.
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1u8; 16 << 20]).unwrap_err();
    let refused = (0..2_000).map(|n| format!("m{n}")).find(|name| send(name) != 200);
    let refused = refused.expect("the disk is full");
    assert!(!is_watched(&refused), "{refused} counts");
    let retire = |name: &str| {
        server
            .request("DELETE", &format!("/api/v1/models/{name}"), &[], b"")
            .status
    };
    assert_eq!(retire("before"), 503);
    assert!(is_watched("before"), "it is gone");
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(send(&refused), 200);
    assert!(is_watched(&refused));
}
