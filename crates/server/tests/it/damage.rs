//! Damage on the disk, through the binary: a flipped bit in a block costs what it holds and is listed; a cut database of states
//! keeps it from starting until someone has decided.

use crate::support::{Server, now_ms, said_by};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Blocks at once: an import makes them directly.
fn import(dir: &Path, data: &Path, end_s: i64) {
    let mut page = "# TYPE level gauge\n".to_owned();
    for host in 0..40 {
        for i in 0..200 {
            let value = (i * 7919 + host * 104_729) % 1_000_003;
            writeln!(
                page,
                "level{{host=\"{host:02}\"}} {value} {}",
                end_s - (199 - i) * 15
            )
            .unwrap();
        }
    }
    page.push_str("# EOF\n");
    let path = dir.join("page.om");
    std::fs::write(&path, page).unwrap();
    let imported = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["import", "openmetrics", "--quiet"])
        .arg(&path)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
}

#[test]
fn a_damaged_page_is_listed_and_the_rest_answers() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // In the middle of a half day, so that all of it is one block.
    let end_s = (now_ms() / 1_000 - 86_400) / 43_200 * 43_200 + 20_000;
    import(dir.path(), &data, end_s);
    let blocks = std::fs::read_dir(data.join("metrics/blocks")).unwrap();
    let paths: Vec<_> = blocks.map(|e| e.unwrap().path().join("pages")).collect();
    assert_eq!(paths.len(), 1);
    let mut bytes = std::fs::read(&paths[0]).unwrap();
    // Behind the magic and the head of the first page, which holds values.
    bytes[200] ^= 8;
    std::fs::write(&paths[0], bytes).unwrap();
    let server = Server::start(&data, &[]);
    let counted = server.query("count(count_over_time(level[1h])) or vector(0)", end_s as f64);
    let left: u64 = counted[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(left < 40, "{left} series answer");
    let lost = |body: &serde_json::Value| body["data"]["damage"]["lostCount"].as_u64().unwrap_or(0);
    let status = server.until("/api/v1/status/tsdb?limit=100", |answer| lost(&answer.json()) > 0);
    let damage = status.json()["data"]["damage"].clone();
    assert_eq!(
        damage["pagesQuarantined"].as_array().unwrap().len(),
        1,
        "{damage}"
    );
    let named = damage["lost"].as_array().unwrap();
    assert_eq!(named.len() as u64 + left, 40, "{damage}");
    for lost in named {
        assert!(
            lost["series"].as_str().unwrap().starts_with("level{host="),
            "{lost}"
        );
        assert!(lost["start"].as_i64().unwrap() <= lost["end"].as_i64().unwrap());
    }
    let metrics = server.get("/metrics").body;
    assert!(metrics.contains("lapwing_store_pages_quarantined 1"), "{metrics}");
    // Writing goes on beside it.
    assert!(server.terminate());
}

/// Silences, and samples.
fn kept(server: &Server) -> (usize, usize) {
    let samples = server.query("loss[1h]", now_ms() as f64 / 1_000.0);
    (server.silences(), samples.as_array().unwrap().len())
}

#[test]
fn a_cut_database_of_states_is_named_and_moved_away_it_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &[]);
    server.silence("HighLoss", "a maintenance");
    let json = [("Content-Type", "application/json")];
    let pushed = server.post("/api/v1/push", &json, br#"{"name": "loss", "value": 0.5}"#);
    assert_eq!(pushed.status, 200, "{}", pushed.body);
    assert!(server.terminate());
    let database = data.join("state.db");
    let whole = std::fs::read(&database).unwrap();
    let binary = || Command::new(env!("CARGO_BIN_EXE_lapwing"));
    // In the middle of its head, behind its first page, and in the middle.
    for length in [60, 4_096, whole.len() / 2] {
        std::fs::write(&database, &whole[..length]).unwrap();
        let said = said_by(
            binary()
                .args(["serve", "--listen", "127.0.0.1:0", "--data"])
                .arg(&data),
        );
        assert_eq!(said.code, Some(1), "{length}: {}", said.err);
        for part in [
            "state.db is damaged",
            "`lapwing verify`",
            "`lapwing restore`",
            "move it away",
        ] {
            assert!(
                said.err.contains(part),
                "{length}: {part:?} is not in {}",
                said.err
            );
        }
        let verified = said_by(binary().arg("verify").arg(&data));
        assert_eq!(verified.code, Some(1), "{length}: {}", verified.out);
        assert!(verified.out.contains("DAMAGED  state.db"), "{}", verified.out);
        assert_eq!(
            std::fs::read(&database).unwrap().len(),
            length,
            "nobody touches it"
        );
    }
    // Brought back, and then without it: what else there was is there.
    std::fs::write(&database, &whole).unwrap();
    let server = Server::start(&data, &[]);
    assert_eq!(kept(&server), (1, 1));
    assert!(!server.told().contains("state database"), "{}", server.told());
    assert!(server.terminate());
    for is_there in [true, false] {
        std::fs::remove_file(&database).unwrap();
        if is_there {
            std::fs::write(&database, []).unwrap();
        }
        let server = Server::start(&data, &[]);
        assert!(
            server.told().contains("state.db is empty or gone"),
            "{}",
            server.told()
        );
        assert_eq!(kept(&server), (0, 1));
        assert!(server.terminate());
    }
}
