//! Tables for people: aligned columns that fit the terminal. Pure text in, text out.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Paint, harmless};

/// Between columns.
const GAP: &str = "  ";
/// A shortened column keeps at least this many terminal columns.
const COLUMN_WIDTH_MIN: usize = 8;
/// What stands where text was cut.
const ELLIPSIS: char = '…';

/// A heading and how its column behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    elastic: bool,
}

impl Column {
    /// Text that is never cut: identifiers, which people copy.
    pub(crate) const fn text(heading: &'static str) -> Self {
        Self { heading, right: false, elastic: false }
    }

    /// A number, aligned to the right.
    pub(crate) const fn number(heading: &'static str) -> Self {
        Self { heading, right: true, elastic: false }
    }

    /// Text that is cut where the terminal is too narrow.
    pub(crate) const fn elastic(heading: &'static str) -> Self {
        Self { heading, right: false, elastic: true }
    }
}

/// Rows below headings.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// What to say instead of an empty table.
    empty: &'static str,
}

impl Table {
    /// A table without rows; `empty` is the sentence that replaces it if it stays so.
    pub(crate) fn new(empty: &'static str, columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), empty }
    }

    /// Adds a row: one cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.columns.len(), "a row has one cell for each column");
        self.rows.push(cells.iter().map(|cell| harmless(cell)).collect());
    }

    /// The lines, each closed with a newline; without a `width` nothing is cut.
    pub(crate) fn render(&self, width: Option<usize>, paint: Paint) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", self.empty);
        }
        let table = self.filled();
        let widths = table.widths(width);
        let headings: Vec<_> = table.columns.iter().map(|column| column.heading.to_owned()).collect();
        let mut text = paint.strong(&table.line(&headings, &widths));
        text.push('\n');
        for row in &table.rows {
            text += &table.line(row, &widths);
            text.push('\n');
        }
        text
    }

    /// The table without the columns that say nothing in any row.
    fn filled(&self) -> Self {
        let filled = |index: &usize| self.rows.iter().any(|row| !row[*index].is_empty());
        let kept: Vec<usize> = (0..self.columns.len()).filter(filled).collect();
        Self {
            columns: kept.iter().map(|&index| self.columns[index]).collect(),
            rows: self.rows.iter().map(|row| kept.iter().map(|&index| row[index].clone()).collect()).collect(),
            empty: self.empty,
        }
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|column| column.heading.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut excess = limit.map_or(0, |limit| (widths.iter().sum::<usize>() + gaps).saturating_sub(limit));
        // One column at a time from the widest, so that columns of like width stay alike.
        while excess > 0 {
            let widest = (0..widths.len())
                .filter(|&index| self.columns[index].elastic && widths[index] > COLUMN_WIDTH_MIN)
                .max_by_key(|&index| widths[index]);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
            excess -= 1;
        }
        widths
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, &width), column) in cells.iter().zip(widths).zip(&self.columns) {
            let cell = cut(cell, width);
            let padding = " ".repeat(width - cell.width());
            if !line.is_empty() {
                line += GAP;
            }
            line += &if column.right { padding + &cell } else { cell + &padding };
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// `text` in at most `width` terminal columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(character);
    }
    cut.push(ELLIPSIS);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Table {
        let columns = [Column::text("METHOD"), Column::number("MS"), Column::elastic("URI")];
        let mut table = Table::new("No routes.", columns);
        table.row(["POST".into(), "7".into(), "http://resizer.internal:9000/upload".into()]);
        table.row(["ANY".into(), "29000".into(), "http://a/".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_without_trailing_blanks() {
        assert_eq!(
            routes().render(None, Paint::none()),
            "METHOD     MS  URI\nPOST        7  http://resizer.internal:9000/upload\nANY     29000  http://a/\n"
        );
    }

    #[test]
    fn a_narrow_terminal_cuts_elastic_columns_only() {
        let text = routes().render(Some(30), Paint::none());
        assert_eq!(text, "METHOD     MS  URI\nPOST        7  http://resizer…\nANY     29000  http://a/\n");
        assert!(text.lines().all(|line| line.width() <= 30));
    }

    #[test]
    fn a_terminal_too_narrow_for_anything_keeps_the_minimum() {
        let text = routes().render(Some(1), Paint::none());
        assert!(text.contains("POST        7  http://…\n"), "{text}");
    }

    #[test]
    fn the_exact_width_cuts_nothing() {
        let wide = routes().render(None, Paint::none());
        let width = wide.lines().map(UnicodeWidthStr::width).max();
        assert_eq!(routes().render(width, Paint::none()), wide);
        assert_ne!(routes().render(width.map(|width| width - 1), Paint::none()), wide);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let mut table = Table::new("", [Column::elastic("NAME"), Column::text("ID")]);
        table.row(["大きい画像の縮小".into(), "x1".into()]);
        table.row(["abc".into(), "x2".into()]);
        assert_eq!(table.render(Some(15), Paint::none()), "NAME         ID\n大きい画像…  x1\nabc          x2\n");
    }

    #[test]
    fn a_column_without_content_is_left_out() {
        let mut table = Table::new("", [Column::text("ID"), Column::elastic("PROBLEM"), Column::number("MS")]);
        table.row(["a".into(), String::new(), "1".into()]);
        table.row(["b".into(), String::new(), String::new()]);
        assert_eq!(table.render(None, Paint::none()), "ID  MS\na    1\nb\n");
    }

    #[test]
    fn an_empty_table_is_a_sentence() {
        assert_eq!(Table::new("No APIs.", [Column::text("ID")]).render(None, Paint::none()), "No APIs.\n");
    }

    #[test]
    fn cells_cannot_command_the_terminal() {
        let mut table = Table::new("", [Column::text("NAME")]);
        table.row(["a\u{1b}]0;b\u{7}\nc".into()]);
        let text = table.render(None, Paint::none());
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text:?}");
    }
}
