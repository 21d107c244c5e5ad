//! Objects on a hub and in S3: there, whole, as large as they must be, and asked for by whom they were lent to.

use crate::probe::check;
use lapwing_types::{ProbeReason, Verdict};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// SHA-256 of "abc", as it is written and as it travels.
const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const SUM_BASE64: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

/// Answers each path with this head; what was asked last stands beside.
async fn store(heads: &[(&'static str, String)]) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads: HashMap<&'static str, String> = heads.iter().cloned().collect();
    let asked = Arc::new(Mutex::new(String::new()));
    let last = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("").to_owned();
            *last.lock().unwrap() = head;
            let answer = heads.get(path.as_str()).map_or("404 Not Found", String::as_str);
            let answer = format!("HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

fn artifact(url: &str, mut more: Value) -> Value {
    more["url"] = json!(url);
    json!({ "artifact": more })
}

#[tokio::test]
async fn a_hubs_file_is_known_by_what_the_hub_says_of_it() {
    let linked = format!(
        "302 Found\r\nlocation: /lfs/abc\r\nx-linked-size: 3\r\nx-linked-etag: \"{SUM}\"\r\ncontent-length: 0"
    );
    let heads = [
        ("/org/chat/resolve/main/model.bin", linked),
        (
            "/lfs/abc",
            "200 OK\r\ncontent-length: 3\r\netag: \"x\"".to_owned(),
        ),
        (
            "/digest",
            format!("200 OK\r\ncontent-length: 3\r\nrepr-digest: md5=:aa:, sha-256=:{SUM_BASE64}:"),
        ),
    ];
    let (hub, _) = store(&heads).await;
    let large = format!("{hub}/org/chat/resolve/main/model.bin");
    for url in [&large, &format!("{hub}/digest")] {
        let good = artifact(url, json!({ "sha256": SUM, "size_min": 3, "size_max": 3 }));
        check(good, Verdict::Pass, None).await;
        for bad in [json!({ "sha256": "0".repeat(64) }), json!({ "size_min": 4 })] {
            check(artifact(url, bad), Verdict::Fail, Some(ProbeReason::Artifact)).await;
        }
    }
    let unsaid = artifact(&format!("{hub}/lfs/abc"), json!({ "sha256": SUM }));
    let found = check(unsaid, Verdict::Fail, Some(ProbeReason::Artifact)).await;
    assert_eq!(found.detail, "the server does not say its SHA-256");
    let gone = artifact(&format!("{hub}/gone"), json!({}));
    check(gone, Verdict::Fail, Some(ProbeReason::NotFound)).await;
}

#[tokio::test]
async fn an_object_in_s3_is_asked_for_with_the_keys_it_was_lent_to() {
    let there = format!("200 OK\r\ncontent-length: 3\r\nx-amz-checksum-sha256: {SUM_BASE64}");
    let heads = [
        ("/models/chat%20v2/weights.bin", there),
        ("/models/secret", "403 Forbidden\r\ncontent-length: 0".to_owned()),
    ];
    let (endpoint, asked) = store(&heads).await;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hush\n").unwrap();
    let with = |key: &str, more: Value| {
        let s3 = json!({ "endpoint": endpoint, "region": "eu-1", "access_key_id": "AK", "secret_access_key_file": secret });
        let mut of = artifact(&format!("s3://models/{key}"), more);
        of["artifact"]["s3"] = s3;
        of
    };
    let good = with("chat v2/weights.bin", json!({ "sha256": SUM, "size_min": 3 }));
    check(good, Verdict::Pass, None).await;
    let head = asked.lock().unwrap().to_lowercase();
    assert!(head.starts_with("head /models/chat%20v2/weights.bin "), "{head}");
    for part in [
        "authorization: aws4-hmac-sha256 credential=ak/",
        "/eu-1/s3/aws4_request, signedheaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, signature=",
        "x-amz-checksum-mode: enabled",
    ] {
        assert!(head.contains(part), "{part} is missing: {head}");
    }
    assert!(!head.contains("hush"), "{head}");
    let wrong = with("chat v2/weights.bin", json!({ "sha256": "0".repeat(64) }));
    check(wrong, Verdict::Fail, Some(ProbeReason::Artifact)).await;
    check(with("secret", json!({})), Verdict::Fail, Some(ProbeReason::Auth)).await;
    check(
        with("gone", json!({})),
        Verdict::Fail,
        Some(ProbeReason::NotFound),
    )
    .await;
    let mut open = artifact("s3://models/secret", json!({}));
    open["artifact"]["s3"] = json!({ "endpoint": endpoint });
    check(open, Verdict::Fail, Some(ProbeReason::Auth)).await;
    let head = asked.lock().unwrap().to_lowercase();
    assert!(!head.contains("authorization"), "{head}");
}
