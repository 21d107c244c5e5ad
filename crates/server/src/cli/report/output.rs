//! Where a document goes: standard output, or a file that is whole or as it was.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    File(PathBuf),
}

impl Output {
    /// `-` is standard output, a folder gets a file of the usual name, and so does this one where nothing is said.
    pub(super) fn of(said: Option<&Path>, usual: &str) -> Output {
        match said {
            None => Output::File(PathBuf::from(usual)),
            Some(path) if path.as_os_str() == "-" => Output::Stdout,
            Some(path) if path.is_dir() => Output::File(path.join(usual)),
            Some(path) => Output::File(path.to_owned()),
        }
    }

    /// A terminal shows bytes of a document as rubbish, and some of them it obeys.
    pub(super) fn is_terminal(&self) -> bool {
        *self == Output::Stdout && io::stdout().is_terminal()
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Output::File(path) => write_file(path, bytes),
        }
    }
}

/// Beside, then renamed: whoever reads the file meanwhile reads the former one. What is no file (a pipe, `/dev/null`) is written as
/// it is, and a link stays a link.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = fs::metadata(path).ok();
    if there.as_ref().is_some_and(|of| !of.is_file()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let done = fs::write(&fresh, bytes).and_then(|()| {
        if let Some(former) = there {
            fs::set_permissions(&fresh, former.permissions())?;
        }
        fs::rename(&fresh, &path)
    });
    if done.is_err() {
        // It may not even be there; the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_a_folder_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = |path: PathBuf| Output::File(path);
        assert_eq!(Output::of(None, "host.pdf"), file("host.pdf".into()));
        assert_eq!(Output::of(Some(Path::new("-")), "host.pdf"), Output::Stdout);
        assert_eq!(
            Output::of(Some(dir.path()), "host.pdf"),
            file(dir.path().join("host.pdf"))
        );
        let named = dir.path().join("a.pdf");
        assert_eq!(Output::of(Some(&named), "host.pdf"), file(named));
    }

    #[test]
    fn the_former_file_goes_when_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.pdf"), dir.path().join("link.pdf"));
        write_file(&file, b"one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(dir.path()), ["a.pdf", "link.pdf"]);
    }

    #[test]
    fn nothing_is_left_of_what_could_not_be_written() {
        let dir = tempfile::tempdir().unwrap();
        write_file(&dir.path().join("no-such/a.pdf"), b"x").unwrap_err();
        // A folder came in its way.
        fs::create_dir_all(dir.path().join("b.pdf")).unwrap();
        write_file(&dir.path().join("b.pdf"), b"x").unwrap_err();
        assert_eq!(names(dir.path()), ["b.pdf"]);
    }

    #[test]
    fn what_is_no_file_stays_what_it_is() {
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
