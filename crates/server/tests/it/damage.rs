//! A flipped bit in a block, through the binary: queries go on, and the status says which series lost what.

use crate::support::{Server, now_ms};
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
