//! A secret, typed into the config or standing in a file; never printed.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest secret read from a file: a Kubernetes token has about 1 kB.
const SECRET_BYTES_MAX: u64 = 64 << 10;

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Inline(String),
    /// Read at each use, so that a rotated token is picked up.
    File(PathBuf),
}

impl Secret {
    /// The inline value or, without one, the file; `None` when neither was given.
    pub fn either(inline: Option<&Secret>, file: Option<&PathBuf>) -> Option<Secret> {
        inline.cloned().or_else(|| file.cloned().map(Secret::File))
    }

    /// The secret itself, without surrounding blanks when it came from a file.
    pub fn reveal(&self) -> io::Result<String> {
        match self {
            Secret::Inline(text) => Ok(text.clone()),
            Secret::File(path) => read(path),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Inline(_) => f.write_str("<secret>"),
            Secret::File(path) => write!(f, "<secret in {}>", path.display()),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // A number may have lost zeros or digits on its way here.
                f.write_str("a secret (in quotes where it looks like a number)")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Inline(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_printed_and_files_are_trimmed() {
        let inline = Secret::Inline("hush".to_owned());
        assert_eq!(format!("{inline:?}"), "<secret>");
        assert_eq!(serde_json::to_string(&inline).unwrap(), "\"<secret>\"");
        assert_eq!(
            serde_json::from_str::<Secret>("\"a\"").unwrap(),
            Secret::Inline("a".to_owned())
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "abc\n").unwrap();
        assert_eq!(Secret::File(path).reveal().unwrap(), "abc");
        assert!(Secret::File(dir.path().join("none")).reveal().is_err());
    }
}
