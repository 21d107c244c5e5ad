//! `--web.config.file` of Prometheus and its exporters: TLS, and users with bcrypt hashes.

use crate::config::diagnostic::Diagnostics;
use crate::config::load::read_file_tree;
use crate::config::reader::MapReader;
use crate::config::sections::{BasicUser, TlsParts, WebConfig, read_file};
use crate::config::yaml::Node;
use std::path::Path;

pub(super) fn read_web_file(path: &Path, web: &mut WebConfig, notes: &mut Diagnostics) {
    notes.file = path.display().to_string();
    if let Some(root) = read_file_tree(path, notes) {
        read_web_config(&root, web, notes);
    }
}

fn read_web_config(root: &Node, web: &mut WebConfig, notes: &mut Diagnostics) {
    let mut map = MapReader::new(root, "", notes);
    if let Some(node) = map.node("tls_server_config") {
        read_tls(node, web, notes);
    }
    if let Some(node) = map.node("http_server_config") {
        let mut map = MapReader::new(node, "http_server_config", notes);
        for key in ["http2", "headers"] {
            if let Some(node) = map.node(key) {
                notes.warning(node.at, &map.path_of(key), format!("{key} has no effect here"));
            }
        }
        map.finish(notes);
    }
    if let Some(node) = map.node("rate_limit") {
        notes.warning(node.at, "rate_limit", "rate_limit has no effect here");
    }
    for (name, hash) in map.text_map("basic_auth_users", notes) {
        if hash.parse::<bcrypt::HashParts>().is_err() {
            let message = format!("the hash of user {name:?} is not bcrypt's");
            notes.error_with_hint(
                root.at,
                "basic_auth_users",
                message,
                "make one with: htpasswd -nBC 10 \"\" | tr -d ':'",
            );
            continue;
        }
        web.users.push(BasicUser { name, bcrypt: hash });
    }
    map.finish(notes);
}

/// The modes of Go's TLS, by whether a certificate is asked for and whether it must be there.
const CLIENT_AUTH: [(&str, bool, bool); 6] = [
    ("NoClientCert", false, false),
    ("RequestClientCert", false, false),
    ("RequireAnyClientCert", true, true),
    ("RequireClientCert", true, true),
    ("VerifyClientCertIfGiven", true, false),
    ("RequireAndVerifyClientCert", true, true),
];

fn read_tls(node: &Node, web: &mut WebConfig, notes: &mut Diagnostics) {
    let path = "tls_server_config";
    let mut map = MapReader::new(node, path, notes);
    let cert_pem = pem(&mut map, ("cert", "cert_file"), notes);
    let key_pem = pem(&mut map, ("key", "key_file"), notes);
    let client_ca_pem = pem(&mut map, ("client_ca", "client_ca_file"), notes);
    let mode = map.text("client_auth_type", notes).unwrap_or_default();
    let (_, is_asked, is_client_required) = CLIENT_AUTH
        .into_iter()
        .find(|(name, _, _)| *name == mode)
        .unwrap_or_else(|| {
            if !mode.is_empty() {
                notes.error(node.at, path, format!("unknown client_auth_type {mode:?}"));
            }
            CLIENT_AUTH[0]
        });
    let min_tls13 = map.text("min_version", notes).as_deref() == Some("TLS13");
    for key in [
        "max_version",
        "cipher_suites",
        "curve_preferences",
        "prefer_server_cipher_suites",
        "client_allowed_sans",
    ] {
        if let Some(node) = map.node(key) {
            notes.warning(node.at, &map.path_of(key), format!("{key} has no effect here"));
        }
    }
    map.finish(notes);
    if is_asked && client_ca_pem.is_none() {
        notes.error(
            node.at,
            path,
            format!("client_auth_type {mode} needs a client_ca_file to check against"),
        );
        return;
    }
    let (Some(cert_pem), Some(key_pem)) = (cert_pem, key_pem) else {
        notes.error(node.at, path, "cert_file and key_file are both needed");
        return;
    };
    let parts = TlsParts {
        cert_pem,
        key_pem,
        client_ca_pem: client_ca_pem.filter(|_| is_asked),
        is_client_required,
        min_tls13,
    };
    match parts.build() {
        Ok(tls) => web.tls = Some(tls),
        Err(error) => notes.error(node.at, path, crate::http::with_causes(&error)),
    }
}

/// Text in place, or a file.
fn pem(
    map: &mut MapReader<'_>,
    (text, file): (&'static str, &'static str),
    notes: &mut Diagnostics,
) -> Option<String> {
    let text = map.text(text, notes);
    let path = map.path_of(file);
    let file = map.text(file, notes);
    text.or_else(|| read_file(map.at, &path, &file?, notes))
}
