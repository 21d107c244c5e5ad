//! Bounded reading of the kernel's text files below a settable root.
//!
//! The root is `/` in service, `/host` in a container that mounts the host there, a folder of fixtures in a test.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest file read at once: `/proc/diskstats` and `/proc/net/dev` of a host with 10 000 devices stay below it.
const FILE_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// This kernel, container or machine has no such thing; not worth a word in a log.
    #[error("{path} does not exist here")]
    Absent { path: PathBuf },
    #[error("reading {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what} expected, found {text:?}")]
    Parse { what: &'static str, text: String },
}

impl HostError {
    pub(crate) fn parse(what: &'static str, text: &str) -> Self {
        HostError::Parse {
            what,
            text: text.chars().take(80).collect(),
        }
    }
}

/// Where `/` is.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    path: PathBuf,
}

impl Root {
    pub(crate) fn new(path: PathBuf) -> Self {
        Root { path }
    }

    /// `relative` has no leading slash (one is dropped).
    pub(crate) fn join(&self, relative: &str) -> PathBuf {
        self.path.join(relative.trim_start_matches('/'))
    }

    pub(crate) fn read(&self, relative: &str) -> Result<String, HostError> {
        read_file(&self.join(relative))
    }

    /// A one-line file, trimmed; `None` when it is absent, unreadable or empty (many of sysfs are, by driver).
    pub(crate) fn read_line(&self, relative: &str) -> Option<String> {
        let text = self.read(relative).ok()?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Names in a folder, ascending; empty when there is no such folder.
    pub(crate) fn list(&self, relative: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.join(relative)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }
}

fn read_file(path: &Path) -> Result<String, HostError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => HostError::Absent {
            path: path.to_owned(),
        },
        _ => HostError::Read {
            path: path.to_owned(),
            source,
        },
    };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    })
}

/// The next field of a line as a number.
pub(crate) fn number(field: Option<&str>, what: &'static str) -> Result<f64, HostError> {
    let field = field.unwrap_or("");
    field.parse().map_err(|_| HostError::parse(what, field))
}
