//! One port that speaks TLS: a renewed certificate is shown without a restart, clients may be asked for one of their own.
//!
//! Needs: openssl, curl

use crate::support::{Server, has};
use std::path::{Path, PathBuf};
use std::process::Command;

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A certificate of its own authority for 127.0.0.1, under this name.
fn certificate(dir: &Path, name: &str) {
    let (key, cert, subject) = (
        format!("{name}.key"),
        format!("{name}.pem"),
        format!("/CN={name}"),
    );
    openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            &key,
            "-out",
            &cert,
            "-subj",
            &subject,
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
    );
}

/// A certificate for a client, signed by the authority `authority`.
fn signed(dir: &Path, name: &str, authority: &str) {
    let file = |ending: &str| format!("{name}.{ending}");
    let (ca, ca_key, subject) = (
        format!("{authority}.pem"),
        format!("{authority}.key"),
        format!("/CN={name}"),
    );
    openssl(
        dir,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &file("key"),
            "-out",
            &file("csr"),
            "-subj",
            &subject,
        ],
    );
    std::fs::write(dir.join(file("ext")), "basicConstraints=CA:FALSE\n").unwrap();
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            &file("csr"),
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &file("ext"),
            "-out",
            &file("pem"),
        ],
    );
}

struct Curl<'a> {
    dir: &'a Path,
    server: &'a Server,
}

impl Curl<'_> {
    /// The answer's body, when the server showed a certificate of this authority.
    fn get(&self, authority: &str, more: &[&str]) -> Option<String> {
        let output = Command::new("curl")
            .args(["-sf", "--max-time", "20", "--cacert", authority])
            .args(more)
            .arg(format!("{}/-/healthy", self.server.url))
            .current_dir(self.dir)
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn start(dir: &Path, tls: &str) -> Server {
    let file: PathBuf = dir.join("lapwing.yml");
    std::fs::write(&file, format!("web: {{ tls: {{ {tls} }} }}\n")).unwrap();
    Server::start(&dir.join("data"), &["--config", file.to_str().unwrap()])
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    if !has("openssl") || !has("curl") {
        eprintln!(
            "SKIPPED a_renewed_certificate_is_shown_without_a_restart: openssl or curl is not installed"
        );
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    for name in ["first", "second"] {
        certificate(dir, name);
    }
    let show = |name: &str| {
        for ending in ["key", "pem"] {
            std::fs::copy(
                dir.join(format!("{name}.{ending}")),
                dir.join(format!("shown.{ending}")),
            )
            .unwrap();
        }
    };
    show("first");
    let server = start(dir, "cert_file: shown.pem, key_file: shown.key");
    assert!(server.url.starts_with("https://"));
    let curl = Curl { dir, server: &server };
    assert_eq!(
        curl.get("first.pem", &["--http2"]).as_deref(),
        Some("Lapwing is Healthy.\n")
    );
    assert_eq!(
        curl.get("first.pem", &["--http1.1"]).as_deref(),
        Some("Lapwing is Healthy.\n")
    );
    assert_eq!(curl.get("second.pem", &[]), None);

    // Half a renewal is a pair that does not fit: the old one stays.
    std::fs::copy(dir.join("second.pem"), dir.join("shown.pem")).unwrap();
    server.hang_up();
    assert!(curl.get("first.pem", &[]).is_some());
    show("second");
    server.hang_up();
    let watch = lapwing::clock::Stopwatch::start();
    while curl.get("second.pem", &[]).is_none() {
        assert!(watch.elapsed_s() < 60.0, "the second certificate is never shown");
    }
}

#[test]
fn a_client_must_show_its_certificate_where_that_is_asked_for() {
    if !has("openssl") || !has("curl") {
        eprintln!(
            "SKIPPED a_client_must_show_its_certificate_where_that_is_asked_for: openssl or curl is not installed"
        );
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    for name in ["server", "ours", "theirs"] {
        certificate(dir, name);
    }
    signed(dir, "client", "ours");
    signed(dir, "stranger", "theirs");
    let tls = "cert_file: server.pem, key_file: server.key, client_ca_file: ours.pem";
    let server = start(dir, tls);
    let curl = Curl { dir, server: &server };
    assert!(
        curl.get("server.pem", &["--cert", "client.pem", "--key", "client.key"])
            .is_some()
    );
    assert_eq!(
        curl.get("server.pem", &["--cert", "stranger.pem", "--key", "stranger.key"]),
        None
    );
    assert_eq!(curl.get("server.pem", &[]), None);
}
