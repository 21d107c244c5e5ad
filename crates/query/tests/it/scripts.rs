//! The project's own scripts, and Prometheus's where they are at hand.

use super::script::run;
use std::path::{Path, PathBuf};

fn run_folder(folder: &Path) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    let mut failed = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match run(&text) {
            Ok(evals) => println!("{name}: {evals} evaluations"),
            Err(failures) => {
                failed += failures.len();
                for failure in &failures {
                    println!("{name}: {failure}");
                }
                println!("{name}: {} failures", failures.len());
            }
        }
    }
    assert_eq!(failed, 0, "evaluations failed");
}

#[test]
fn own_scripts() {
    run_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"));
}

/// Prometheus's scripts are data that is not copied into the project.
#[test]
fn conformance_scripts() {
    let given = std::env::var_os("LAPWING_CONFORMANCE").map(PathBuf::from);
    let folder =
        given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"));
    let folder = if folder.join("promql").is_dir() {
        folder.join("promql")
    } else {
        folder
    };
    if !folder.is_dir() {
        // Not something that a test command could install, so its absence is no failure anywhere.
        println!("no conformance data in {}", folder.display());
        return;
    }
    run_folder(&folder);
}
