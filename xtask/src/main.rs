//! Chores of the repository: `cargo xtask ci|test|tidy|bench|fuzz|ui|wheel`.
//!
//! One file per command; a new command is one file and one line in [`COMMANDS`]. It must compile in seconds, so it has few
//! dependencies and links none of Lapwing's own crates.

mod bench;
mod ci;
mod clock;
mod fuzz;
mod load;
mod shell;
mod test;
mod tidy;
mod ui;
mod wheel;

use std::process::ExitCode;

use anyhow::Result;

/// One chore: what a person types, what it is for, how it is used.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// What `cargo xtask NAME --help` prints below the summary.
    pub(crate) help: &'static str,
    pub(crate) run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    ci::COMMAND,
    test::COMMAND,
    tidy::COMMAND,
    bench::COMMAND,
    fuzz::COMMAND,
    ui::COMMAND,
    wheel::COMMAND,
];

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND [ARGS]\n\ncommands:\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<7} {}\n", command.name, command.summary));
    }
    text.push_str(
        "\nA first visit: `cargo xtask test` sets up what the tests need and runs them; `cargo xtask ci` is what a\n\
         change has to pass. `cargo xtask COMMAND --help` explains one command.\n",
    );
    text
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wants_help = |list: &[String]| {
        list.iter()
            .take_while(|a| *a != "--")
            .any(|a| a == "--help" || a == "-h")
    };
    let Some(command) = args
        .first()
        .and_then(|name| COMMANDS.iter().find(|c| c.name == name))
    else {
        let asked = args
            .first()
            .is_some_and(|a| a == "--help" || a == "-h" || a == "help");
        if let (Some(name), false) = (args.first(), asked) {
            eprintln!("error: no command `{name}`\n");
        }
        print!("{}", usage());
        return if asked {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    };
    if wants_help(&args[1..]) {
        println!(
            "cargo xtask {}: {}\n\n{}",
            command.name,
            command.summary,
            command.help.trim()
        );
        return ExitCode::SUCCESS;
    }
    match (command.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
