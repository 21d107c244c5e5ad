//! Turns `dist/` into a sorted table of gzipped files, so that neither Node nor a network is needed to build the
//! binary and no file is read at run time. Each line of the generated table is one [`Asset`] with its path.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// Bookkeeping inside `dist/` that is not served.
const NOT_SERVED: [&str; 1] = ["SOURCES.sha256"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=dist");
    println!("cargo::rerun-if-changed=build.rs");
    let dist = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("dist");
    let out = PathBuf::from(env("OUT_DIR"));
    let mut files = Vec::new();
    walk(&dist, "", &mut files)?;
    files.retain(|(path, _)| !NOT_SERVED.contains(&path.as_str()));
    files.sort();

    let mut table = String::from("&[\n");
    for (i, (path, file)) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let gz = out.join(format!("{i}.gz"));
        fs::write(&gz, gzip(&bytes)?)?;
        let _ = writeln!(
            table,
            "({path:?}, Asset {{ bytes_gzip: include_bytes!({gz:?}), content_type: {:?}, etag: {:?}, immutable: {} }}),",
            content_type(path),
            etag(&bytes),
            path.starts_with("assets/"),
        );
    }
    table.push(']');
    fs::write(out.join("table.rs"), table)
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

/// No file name and no time go into the header, so the same sources always give the same bytes.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A quoted strong validator of the uncompressed content.
fn etag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(bytes)[..12] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ext)| ext) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
