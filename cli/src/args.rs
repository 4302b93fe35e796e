//! What can be typed: the root of the command tree, and the pieces of syntax that several commands share.
//!
//! Only shapes. What a command does is in `commands/` and `up/`.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use penstock_link::ClientSettings;

use crate::client::DEFAULT_ADDRESS;
use crate::commands::{
    api, audit, backup, completions, deploy, deployment, domain, explain, fleet, gateway_response, healthcheck,
    integration, method, resource, stage,
};
use crate::exit::{EXIT_CODES_HELP, Failure};
use crate::output::{Format, harmless};
use crate::up;

const FIRST_STEPS: &str = "\
First steps:
  penstock up --demo                      run everything here, with an example API
  penstock api import api.yaml --stage prod --domain '*'
                                          register an OpenAPI document, and serve it
  penstock routes                         what is served
  penstock nodes                          which proxies serve it
  penstock explain GET /images/1          what a request would meet

An API is named by its id or, where only one has it, by its name.";

/// Run an API gateway, and manage it
#[derive(Debug, Parser)]
#[command(name = "penstock", version, after_help = format!("{FIRST_STEPS}\n\n{EXIT_CODES_HELP}"))]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line; ends the process for help and for what does not parse.
    ///
    /// # Errors
    /// [`Failure::Usage`] for flags that a command would only ignore.
    pub(crate) fn from_command_line() -> Result<Self, Failure> {
        let matches = Self::command().get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let typed = |flag| matches.value_source(flag) == Some(ValueSource::CommandLine);
        match cli.command {
            Command::Up(_) if CLIENT_FLAGS.into_iter().any(typed) => {
                Err(Failure::Usage("`penstock up` starts a control plane of its own: --grpc-listen says where".into()))
            }
            _ => Ok(cli),
        }
    }
}

/// Flags about a control plane that is there already.
const CLIENT_FLAGS: [&str; 6] = [
    "control_plane",
    "control_plane_ca",
    "control_plane_certificate",
    "control_plane_key",
    "control_plane_server_name",
    "token_file",
];

/// Flags of every command that talks to the control plane.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where the control plane's management API listens
    #[arg(long, global = true, env = "PENSTOCK_CONTROL_PLANE", value_name = "URL", default_value = DEFAULT_ADDRESS)]
    pub(crate) control_plane: String,
    #[command(flatten)]
    pub(crate) link: ClientSettings,
    /// File whose first line is the token that says who calls
    #[arg(long, global = true, env = "PENSTOCK_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to write the answer: a table for people, or JSON for programs
    #[arg(long, short, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// How long one call may take, for example 500ms, 10s or 2m [default: 30s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// The verbs and nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Api(api::Api),
    Resource(resource::Resource),
    Method(method::Method),
    Integration(integration::Integration),
    GatewayResponse(gateway_response::GatewayResponse),
    Deploy(deploy::Deploy),
    Deployment(deployment::Deployment),
    Stage(stage::Stage),
    Domain(domain::Domain),
    Explain(explain::Explain),
    Routes(fleet::Routes),
    Nodes(fleet::Nodes),
    Config(fleet::Config),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Healthcheck(healthcheck::Healthcheck),
    Completions(completions::Completions),
}

/// Which API.
#[derive(Debug, Args)]
pub(crate) struct ApiArg {
    /// Id or name of the API
    #[arg(value_name = "API")]
    pub(crate) api: String,
}

/// Which method of which resource.
#[derive(Debug, Args)]
pub(crate) struct MethodArgs {
    #[command(flatten)]
    pub(crate) api: ApiArg,
    /// Path of the resource, for example /images/{id}, or its id
    #[arg(value_name = "PATH")]
    pub(crate) resource: String,
    /// HTTP method, or ANY
    #[arg(id = "method", value_name = "METHOD", value_parser = http_method)]
    pub(crate) http_method: String,
}

/// Asks before something goes that takes more with it.
#[derive(Debug, Args)]
pub(crate) struct Confirmation {
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

impl Confirmation {
    /// Returns when the user agrees.
    ///
    /// # Errors
    /// [`Failure::Usage`] where nobody can be asked, [`Failure::Failed`] when the user says no.
    pub(crate) fn ask(&self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!("{question} There is no terminal to ask at: say --yes")));
        }
        // When the question cannot be shown the answer cannot be yes, so a failure to write needs no handling.
        let _ = write!(io::stderr().lock(), "{} [y/N] ", harmless(question));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Failure::Failed("left as it is".into()))
    }
}

/// The longest file that we read into memory, bytes: what the contract takes is at most 6 MiB.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// Reads an input file; `-` is standard input.
///
/// # Errors
/// [`Failure::Reading`], also for files that no call would take.
pub(crate) fn input(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |source| Failure::Reading { path: PathBuf::from(path), source };
    let mut bytes = Vec::new();
    let reader: &mut dyn Read = if path == Path::new("-") {
        &mut io::stdin().lock()
    } else {
        &mut std::fs::File::open(path).map_err(failed)?
    };
    reader.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "more than 16 MiB")));
    }
    Ok(bytes)
}

/// `key=value`; the value may hold more equals signs, and may be empty.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected key=value".into()),
    }
}

/// `key=true` or `key=false`.
pub(crate) fn key_flag(text: &str) -> Result<(String, bool), String> {
    let (key, value) = key_value(text).map_err(|_| "expected key=true or key=false")?;
    let value = value.parse().map_err(|_| "expected key=true or key=false")?;
    Ok((key, value))
}

/// A number with a unit; without one it counts seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a number and ms, s, m or h".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a number and ms, s, m or h")?;
    match number.checked_mul(unit_ms) {
        Some(0) => Err("must be more than zero".into()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("too long".into()),
    }
}

/// Methods are written in capitals; which of them exist the control plane knows.
pub(crate) fn http_method(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.chars().all(|character| character.is_ascii_alphabetic()) {
        return Err("expected a method as GET, or ANY".into());
    }
    Ok(text.to_ascii_uppercase())
}

/// Three digits.
pub(crate) fn status_code(text: &str) -> Result<String, String> {
    if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected three digits".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(path.trim()), "{path} shows no example");
            }
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} --{} is not explained", argument.get_id());
            }
            let widest = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let widest = widest.lines().filter(|line| !line.starts_with(' ')).map(str::len).max();
            assert!(widest.is_none_or(|widest| widest <= 80), "{path}: a line of prose is broken by narrow terminals");
            command.get_subcommands().for_each(|below| check(below, &path));
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn global_flags_may_stand_anywhere() {
        for line in ["penstock -o json api list", "penstock api list -o json", "penstock api -o json list"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.output, Format::Json, "{line}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("3m"), Ok(Duration::from_secs(180)));
        for wrong in ["", "s", "0", "0ms", "-1s", "1.5s", "1d", "18446744073709551615h", "1 s"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn values_may_hold_equals_signs() {
        assert_eq!(key_value("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(key_value("a="), Ok(("a".into(), String::new())));
        assert!(key_value("=b").is_err() && key_value("ab").is_err());
    }

    #[test]
    fn flags_are_true_or_false() {
        assert_eq!(key_flag("method.request.header.A=true"), Ok(("method.request.header.A".into(), true)));
        assert!(key_flag("a=yes").is_err() && key_flag("a").is_err());
    }

    #[test]
    fn methods_are_capitals() {
        assert_eq!(http_method("post"), Ok("POST".into()));
        assert!(http_method("").is_err() && http_method("a b").is_err());
    }
}
