//! Log lines that say which part of the gateway they are from, since several share one terminal.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// As wide as the longest name.
const NAME_COLUMNS: usize = 13;

/// Logs to standard error from here on, each line behind `name`.
pub(super) fn install(filter: EnvFilter, name: &'static str) {
    let format = Named { name, format: Format::default().compact().with_target(false) };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .event_format(format)
        .with_writer(io::stderr)
        .init();
}

struct Named {
    name: &'static str,
    format: Format<Compact>,
}

impl<S, N> FormatEvent<S, N> for Named
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "{:<NAME_COLUMNS$} | ", self.name)?;
        self.format.format_event(context, writer, event)
    }
}
