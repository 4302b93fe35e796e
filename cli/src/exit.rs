//! How a command can fail, what the person reads then, and what the calling script gets.
//!
//! Every command returns a [`Failure`]; `main` reports it and ends with its code. The one place that knows exit codes
//! and that reads the details of a gRPC status.

use std::io::{self, Write};
use std::path::PathBuf;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::output::{Paint, harmless};

/// The table that `--help` shows; a test holds it to [`Failure::code`].
pub(crate) const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  usage: the arguments do not say what to do
  3  not found
  4  conflict: it exists already, changed meanwhile, or is in use
  5  invalid: the control plane names what is wrong, one line for each field
  6  unavailable: the control plane does not answer
  7  not everywhere: it is published, and not served by as many as --wait says;
     or a proxy has not answered a preview
  8  would refuse: a preview shows that requests would not be served any more
  9  taken back: a deployment did not do well on the proxies that served it first";

/// Why a command ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments parse, and still do not say what to do.
    #[error("{0}")]
    Usage(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The state of the stored objects forbids it.
    #[error("{0}")]
    Conflict(String),
    /// Ports that cannot be opened, one line for each.
    #[error("not every port can be opened\n{}", .0.join("\n"))]
    Ports(Vec<String>),
    /// No connection to the control plane.
    #[error("cannot reach the control plane at {address}")]
    Unreachable {
        /// As the user wrote it.
        address: String,
        /// The innermost cause, in words.
        reason: String,
    },
    /// Something that should answer over HTTP does not.
    #[error("{url} does not answer: {reason}")]
    Unanswered {
        /// As the user wrote it.
        url: String,
        /// What happened instead.
        reason: String,
    },
    /// The answer of a control plane that decides by itself ended before it was decided.
    #[error("{0}: the control plane does not answer any more")]
    Interrupted(String),
    /// The control plane answered no.
    #[error("{doing}")]
    Refused {
        /// What we asked for, as a participle: `listing the routes`.
        doing: String,
        /// Its answer.
        status: Box<Status>,
    },
    /// An input file.
    #[error("reading {}", path.display())]
    Reading {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// An output file.
    #[error("writing {}", path.display())]
    Writing {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Standard output.
    #[error("writing to standard output")]
    Output(#[source] io::Error),
    /// It is published, and not served by as many as was waited for.
    #[error("{0}")]
    NotEverywhere(String),
    /// A preview shows that requests which are served would be refused.
    #[error("{0}")]
    WouldRefuse(String),
    /// A deployment did not do well on the proxies that served it first.
    #[error("taken back: {0}")]
    TakenBack(String),
    /// Anything else, in a whole sentence.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// The exit code, as [`EXIT_CODES_HELP`] explains it.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Reading { .. } | Self::Writing { .. } => 1,
            // Who closes the pipe has seen enough, and that is no failure.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Conflict(_) | Self::Ports(_) => 4,
            Self::Unreachable { .. } | Self::Unanswered { .. } | Self::Interrupted(_) => 6,
            Self::Refused { status, .. } => status_code(status.code()),
            Self::NotEverywhere(_) => 7,
            Self::WouldRefuse(_) => 8,
            Self::TakenBack(_) => 9,
        }
    }

    /// Writes it to standard error, with what to do next where that is known.
    pub(crate) fn report(&self) {
        if self.code() == 0 {
            return;
        }
        // When standard error is closed too, the exit code has to speak alone.
        let _ = io::stderr().lock().write_all(self.text(Paint::stderr()).as_bytes());
    }

    fn text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}", paint.bad("error:"), lines(&self.to_string()));
        match self {
            Self::Refused { status, .. } => refusal(&mut text, status),
            Self::Unreachable { reason, .. } => {
                text += &format!(
                    ": {reason}\n  start one here with `penstock up`, or say where it is with --control-plane URL \
                     (or PENSTOCK_CONTROL_PLANE)"
                );
            }
            Self::Interrupted(_) => {
                text += "\n  it goes on where the control plane runs on: `penstock stage node-canary watch` shows it; \
                         if that stopped, its proxies go back to what the stage has";
            }
            Self::Reading { source, .. } | Self::Writing { source, .. } | Self::Output(source) => {
                text += &format!(": {source}");
            }
            Self::Usage(_)
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Ports(_)
            | Self::Unanswered { .. }
            | Self::NotEverywhere(_)
            | Self::WouldRefuse(_)
            | Self::TakenBack(_)
            | Self::Failed(_) => {}
        }
        text.push('\n');
        text
    }
}

/// The first line, and the others indented below it.
fn lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n  ")
}

/// Appends what the control plane said: its sentence, then one line for each violation.
fn refusal(text: &mut String, status: &Status) {
    let details = status.get_error_details();
    let violations = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
    let tls = penstock_link::words::for_client(status);
    let message = match (status.code(), status.message()) {
        (..) if tls.is_some() => tls.as_deref().unwrap_or_default(),
        // The transport's words for our own deadline.
        (Code::Cancelled | Code::DeadlineExceeded, _) => "no answer in time; --timeout allows more",
        // The transport's words for a call that nobody serves there.
        (Code::Unimplemented, _) => "this control plane does not know that call: it is older than this program",
        (code, "") => code.description(),
        // The message repeats them for programs that do not read details.
        (_, message) if violations.iter().any(|one| message.contains(&one.description)) => "not valid",
        (_, message) => message,
    };
    *text += &format!(": {}", harmless(message));
    for violation in violations {
        let place = if violation.field.is_empty() { String::new() } else { format!("{}: ", violation.field) };
        *text += &format!("\n  {}{}", harmless(&place), harmless(&violation.description));
    }
}

fn status_code(code: Code) -> u8 {
    match code {
        Code::Ok => 0,
        Code::NotFound => 3,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => 4,
        Code::InvalidArgument | Code::OutOfRange => 5,
        // Cancelled is what our own deadline looks like: this program cancels nothing else.
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => 6,
        Code::Unknown
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => 1,
    }
}

/// Whether the control plane knew the question of `answer`, whatever it answered: one that does not is older, and would skip
/// the settings of these `flags` in silence. To be asked before anything is changed.
///
/// # Errors
/// It is older.
pub(crate) fn known<T>(answer: &Result<tonic::Response<T>, Status>, flags: &str) -> Result<(), Failure> {
    match answer {
        Err(status) if status.code() == Code::Unimplemented => Err(Failure::Failed(format!(
            "this control plane is older than this program, and does not know {flags}; nothing was changed"
        ))),
        _ => Ok(()),
    }
}

/// Says what a call was for, so that its refusal reads as a sentence.
pub(crate) trait Doing<T> {
    /// # Errors
    /// [`Failure::Refused`] with `doing`, a participle without a full stop.
    fn doing(self, doing: impl Into<String>) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<tonic::Response<T>, Status> {
    fn doing(self, doing: impl Into<String>) -> Result<T, Failure> {
        match self {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(Failure::Refused { doing: doing.into(), status: Box::new(status) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn refused(status: Status) -> Failure {
        Failure::Refused { doing: "creating the API".into(), status: Box::new(status) }
    }

    #[test]
    fn every_grpc_code_has_its_exit_code() {
        let expected = [0, 6, 1, 5, 6, 3, 4, 1, 1, 4, 4, 5, 1, 1, 6, 1, 1];
        for (number, expected) in (0..).zip(expected) {
            let code = Code::from_i32(number);
            assert_eq!(status_code(code), expected, "{code:?}");
        }
    }

    #[test]
    fn the_help_explains_every_exit_code() {
        let codes: Vec<u8> = EXIT_CODES_HELP
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("     "))
            .map(|line| line.trim().split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn failures_of_our_own_have_codes_too() {
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::NotFound(String::new()).code(), 3);
        assert_eq!(Failure::Conflict(String::new()).code(), 4);
        assert_eq!(Failure::Failed(String::new()).code(), 1);
        assert_eq!(Failure::NotEverywhere(String::new()).code(), 7);
        assert_eq!(Failure::WouldRefuse(String::new()).code(), 8);
        assert_eq!(Failure::TakenBack(String::new()).code(), 9);
        assert_eq!(Failure::Unreachable { address: String::new(), reason: String::new() }.code(), 6);
        assert_eq!(Failure::Unanswered { url: String::new(), reason: String::new() }.code(), 6);
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        assert_eq!(Failure::Output(io::ErrorKind::BrokenPipe.into()).code(), 0);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).code(), 1);
    }

    #[test]
    fn each_violation_has_its_line() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("restApi.name", "must not be empty");
        details.add_bad_request_violation("restApi.fidelity", "unknown value 9");
        let below = "\n  restApi.name: must not be empty\n  restApi.fidelity: unknown value 9\n";
        for (message, headline) in [
            ("restApi.name: must not be empty; restApi.fidelity: unknown value 9", "not valid"),
            ("this import is refused", "this import is refused"),
        ] {
            let status = Status::with_error_details(Code::InvalidArgument, message, details.clone());
            assert_eq!(refused(status).text(Paint::none()), format!("error: creating the API: {headline}{below}"));
        }
    }

    #[test]
    fn an_empty_message_is_replaced_by_the_meaning_of_its_code() {
        let text = refused(Status::new(Code::Internal, "")).text(Paint::none());
        assert!(text.contains("creating the API: Internal error"), "{text}");
    }

    #[test]
    fn a_call_that_is_not_known_there_is_a_matter_of_age() {
        let text = refused(Status::unimplemented("")).text(Paint::none());
        assert!(text.ends_with("does not know that call: it is older than this program\n"), "{text}");
    }

    #[test]
    fn a_refusal_of_another_kind_shows_that_the_question_is_known() {
        let answered =
            |status| known(&Err::<tonic::Response<()>, _>(status), "--wait").map_err(|failure| failure.code());
        assert_eq!(answered(Status::unimplemented("")), Err(1));
        assert_eq!(answered(Status::not_found("no node canary")), Ok(()));
    }

    #[test]
    fn a_message_cannot_command_the_terminal() {
        let text = refused(Status::not_found("no API \u{1b}[2J")).text(Paint::none());
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn an_unreachable_control_plane_says_where_and_what_to_do() {
        let failure = Failure::Unreachable { address: "http://[::1]:9".into(), reason: "connection refused".into() };
        let text = failure.text(Paint::none());
        assert!(text.contains("http://[::1]:9: connection refused"), "{text}");
        assert!(text.contains("penstock up") && text.contains("--control-plane"), "{text}");
    }
}
