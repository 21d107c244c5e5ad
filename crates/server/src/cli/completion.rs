//! `lapwing completion`: what a shell needs to complete commands, flags and their values.

use super::{Cli, Exit};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
#[command(after_help = "Where it goes:\n  \
    bash        lapwing completion bash > ~/.local/share/bash-completion/completions/lapwing\n  \
    zsh         lapwing completion zsh > ~/.zfunc/_lapwing      (with fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc)\n  \
    fish        lapwing completion fish > ~/.config/fish/completions/lapwing.fish\n  \
    elvish      lapwing completion elvish >> ~/.config/elvish/rc.elv\n  \
    powershell  lapwing completion powershell >> $PROFILE\n\n\
    It counts from the next shell on. For this one only, in bash: source <(lapwing completion bash)")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionArgs) -> Exit {
    print!("{}", script(args.shell));
    Exit::Fine
}

fn script(shell: Shell) -> String {
    let mut out = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_command_is_in_the_script_of_every_shell() {
        let commands = Cli::command();
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in commands.get_subcommands() {
                let words = script.split(|c: char| !(c.is_alphanumeric() || c == '-'));
                let mut words = words.filter(|w| *w == command.get_name());
                assert!(words.next().is_some(), "{shell}: no {}", command.get_name());
            }
            assert!(script.contains("baseline-query"), "{shell}: no flags");
            // The others offer no values.
            if matches!(shell, Shell::Bash | Shell::Zsh | Shell::Fish) {
                assert!(script.contains("sarif"), "{shell}: no values of flags");
            }
        }
    }
}
