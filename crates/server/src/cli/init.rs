//! `lapwing init`: a commented configuration whose every line is a default or an example.

use super::Exit;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to write it; `-` prints it
    #[arg(default_value = "lapwing.yml")]
    path: PathBuf,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

pub(crate) const TEMPLATE: &str = include_str!("init.yml");

pub(crate) fn run(args: &InitArgs) -> Exit {
    if args.path.as_os_str() == "-" {
        print!("{TEMPLATE}");
        return Exit::Fine;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if args.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options
        .open(&args.path)
        .and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
    match written {
        Ok(()) => {
            println!(
                "wrote {0}; look it over, then: lapwing check {0} && lapwing serve --config {0}",
                args.path.display()
            );
            Exit::Fine
        }
        Err(error) => {
            eprintln!("lapwing: cannot write {}: {error}", args.path.display());
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                eprintln!("  --force overwrites it");
            }
            Exit::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_is_a_valid_configuration() {
        let loaded = crate::config::load_text("init.yml", super::TEMPLATE, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        assert!(loaded.config.is_some());
    }
}
