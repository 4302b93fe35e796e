//! What commands say: tables and sentences for people, JSON for programs, warnings beside both.
//!
//! Commands hand over messages and a closure that lays them out for people; which of the two is written is decided
//! here. Data goes to standard output, everything else to standard error. Nothing here talks to the control plane.

pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod table;

use std::env;
use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::{Value, json};

use self::json::Wire;
use self::table::Table;
use crate::exit::Failure;

/// For whom the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Not `///`: the help would grow long in every command.
    // Aligned columns and sentences, for people.
    Table,
    // The protobuf JSON mapping, for programs.
    Json,
}

/// Writes answers in the format that the user chose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    paint: Paint,
    /// Columns of the terminal; unset when there is none, and then nothing is shortened.
    width: Option<usize>,
}

impl Output {
    /// For this process's standard output.
    pub(crate) fn new(format: Format) -> Self {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| usize::from(width.0));
        Self { format, paint: Paint { on: terminal && colour_wanted() }, width }
    }

    /// A complete list: a table, or one JSON object with `items`.
    pub(crate) fn list<M: Wire>(&self, items: &[M], table: impl FnOnce() -> Table) -> Result<(), Failure> {
        self.list_with(items, json!({}), table)
    }

    /// As [`Self::list`], with more keys beside `items` in the JSON object.
    pub(crate) fn list_with<M: Wire>(
        &self,
        items: &[M],
        mut more: Value,
        table: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&table().render(self.width, self.paint)),
            Format::Json => {
                more["items"] = items.iter().map(json::value).collect::<Result<_, _>>()?;
                emit_json(&more)
            }
        }
    }

    /// One object: its fields below each other, or its JSON.
    pub(crate) fn object<M: Wire>(&self, message: &M, fields: impl FnOnce() -> Fields) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&fields().render(self.paint)),
            Format::Json => emit_json(&json::value(message)?),
        }
    }

    /// One object that people read as a table, or its JSON.
    pub(crate) fn report<M: Wire>(&self, message: &M, table: impl FnOnce() -> Table) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&table().render(self.width, self.paint)),
            Format::Json => emit_json(&json::value(message)?),
        }
    }

    /// What a write changed: a sentence, or the JSON of the new state.
    pub(crate) fn done<M: Wire>(&self, message: &M, sentence: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&format!("{}\n", harmless_lines(&sentence()))),
            Format::Json => emit_json(&json::value(message)?),
        }
    }

    /// What a deletion took away: a sentence, or an empty JSON object.
    pub(crate) fn gone(&self, sentence: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&format!("{}\n", harmless_lines(&sentence()))),
            Format::Json => emit_json(&json!({})),
        }
    }

    /// A line for people only, below what was written; programs have it in the JSON.
    pub(crate) fn note(&self, sentence: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table => emit(&format!("{}\n", harmless_lines(sentence))),
            Format::Json => Ok(()),
        }
    }
}

/// Labelled values of one object, for people.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(&'static str, String)>);

impl Fields {
    /// Adds a value; an empty one is left out.
    pub(crate) fn add(mut self, label: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((label, value));
        }
        self
    }

    /// Adds the entries of a map, one line each.
    pub(crate) fn map<K: AsRef<str>, V: ToString>(
        mut self,
        label: &'static str,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let lines: Vec<_> =
            entries.into_iter().map(|(key, value)| format!("{} = {}", key.as_ref(), value.to_string())).collect();
        if !lines.is_empty() {
            self.0.push((label, lines.join("\n")));
        }
        self
    }

    fn render(&self, paint: Paint) -> String {
        let width = self.0.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (label, value) in &self.0 {
            for (number, line) in value.lines().enumerate() {
                let label = if number == 0 { *label } else { "" };
                text += &format!("{}  {}\n", paint.strong(&format!("{label:width$}")), harmless(line));
            }
        }
        text
    }
}

/// Whether to speak in colours on one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// As standard error allows it.
    pub(crate) fn stderr() -> Self {
        Self { on: io::stderr().is_terminal() && colour_wanted() }
    }

    /// Plain text.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { on: false }
    }

    /// Headings and labels.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// The word that opens an error.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// The word that opens a warning.
    pub(crate) fn odd(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Says on standard error what the user should know although the command goes on.
pub(crate) fn warn(message: &str) {
    let line = format!("{} {}\n", Paint::stderr().odd("warning:"), harmless(message));
    // A warning that nobody can read must not stop the work.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Writes bytes to standard output.
///
/// # Errors
/// [`Failure::Output`], which is no failure when the reader closed the pipe.
pub(crate) fn emit_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

fn emit(text: &str) -> Result<(), Failure> {
    emit_bytes(text.as_bytes())
}

fn emit_json(value: &Value) -> Result<(), Failure> {
    emit(&json_text(value))
}

/// JSON for programs that is harmless on a terminal as well: what commands one stands as `\u` escapes, which mean the
/// same to a program. Outside of strings there is no such character but the line ends.
fn json_text(value: &Value) -> String {
    let mut text = String::new();
    for character in format!("{value:#}\n").chars() {
        if character != '\n' && commands_terminals(character) {
            // Every such character is in the basic plane, so four digits are enough.
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// Control characters, and those that turn the direction of writing (Unicode's `Bidi_Control`), with which a name can make
/// a line read as another.
fn commands_terminals(character: char) -> bool {
    let turns =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control()
}

/// `text` with such characters written out: names and messages come from elsewhere, and must not command the terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut clean, character| {
        if commands_terminals(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
        clean
    })
}

fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

/// <https://no-color.org>: set and not empty means no.
fn colour_wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_commands_the_terminal() {
        let name = "a\u{9b}31m\u{202e}b\u{7f}";
        assert_eq!(harmless(name), "a\\u{9b}31m\\u{202e}b\\u{7f}");
        let text = json_text(&serde_json::json!({ "name": name }));
        assert_eq!(text, "{\n  \"name\": \"a\\u009b31m\\u202eb\\u007f\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["name"], name);
    }

    #[test]
    fn fields_are_aligned_and_empty_ones_left_out() {
        let fields = Fields::default()
            .add("id", "abc")
            .add("description", "")
            .map("variables", [("resizer", "127.0.0.1:9000"), ("zone", "b")]);
        assert_eq!(
            fields.render(Paint::none()),
            "id         abc\nvariables  resizer = 127.0.0.1:9000\n           zone = b\n"
        );
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(harmless("a\u{1b}[31mb\tc\nd"), "a\\u{1b}[31mb\\tc\\nd");
        assert_eq!(harmless("Bildgröße 大"), "Bildgröße 大");
    }

    #[test]
    fn paint_is_on_or_off() {
        assert_eq!(Paint { on: true }.bad("x"), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Paint::none().bad("x"), "x");
    }
}
