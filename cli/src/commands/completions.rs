//! `penstock completions`: scripts that teach a shell the command tree.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Failure;
use crate::output::emit_bytes;

/// Write a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bash  penstock completions bash > ~/.local/share/bash-completion/completions/penstock
  zsh   penstock completions zsh > ~/.zfunc/_penstock        (with ~/.zfunc in fpath)
  fish  penstock completions fish > ~/.config/fish/completions/penstock.fish")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    /// # Errors
    /// [`Failure::Output`].
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "penstock", &mut script);
        emit_bytes(&script)
    }
}
