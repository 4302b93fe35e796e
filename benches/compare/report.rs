//! The tables: one for each work with everybody's figures, and one with the ratios.

use crate::contestants::Kind;
use crate::load::Seen;
use crate::works::{Against, WORKS, Work};

/// One measurement.
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) seen: Seen,
    /// Share of the machine that others used meanwhile.
    pub(crate) strange: f64,
}

/// All measurements of a contestant in one work.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    measured: Vec<Measured>,
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

impl Row {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, measured: Vec::new() }
    }

    pub(crate) fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    fn of(&self, what: impl Fn(&Measured) -> f64) -> Vec<f64> {
        self.measured.iter().map(what).collect()
    }

    fn middle(&self) -> f64 {
        median(self.of(|measured| measured.value))
    }

    fn least(&self) -> f64 {
        self.of(|measured| measured.value).into_iter().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.of(|measured| measured.value).into_iter().fold(0.0, f64::max)
    }
}

/// Three significant digits or so.
fn figure(value: f64) -> String {
    let digits = if value < 9.95 { 2 } else { usize::from(value < 99.5) };
    format!("{value:.digits$}")
}

/// A figure of the small requests, where there is one.
fn seen(row: &Row, what: impl Fn(&Seen) -> f64) -> String {
    let value = median(row.of(|measured| what(&measured.seen)));
    if value.is_finite() && value > 0.0 { format!("{value:.0}") } else { String::new() }
}

/// The names of all works.
pub(crate) fn names() -> String {
    WORKS.iter().map(|work| work.name).collect::<Vec<_>>().join(", ")
}

/// The figures of all contestants.
pub(crate) fn print(work: &Work, rows: &[Row]) {
    println!("\n## `{}`: {}\n", work.name, work.title);
    println!(
        "| contestant | {} | least to most | requests/s | p50, µs | p99, µs | failed | others' share |",
        work.unit
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for row in rows {
        let failed: f64 = row.of(|measured| measured.seen.failed).iter().sum();
        let strange = row.of(|measured| measured.strange).into_iter().fold(0.0, f64::max) * 100.0;
        println!(
            "| {} | {} | {} to {} | {} | {} | {} | {failed} | ≤ {strange:.0} % |",
            row.kind.name(),
            figure(row.middle()),
            figure(row.least()),
            figure(row.most()),
            seen(row, |seen| seen.requests / seen.seconds),
            seen(row, |seen| seen.p50_us),
            seen(row, |seen| seen.p99_us),
        );
    }
}

/// The row of the table of ratios.
pub(crate) fn line(work: &Work, rows: &[Row]) -> String {
    let ours = &rows[0];
    let Against::Best(against) = work.against else {
        let is_met = ours.middle() <= work.bar;
        let (bar, value) = (work.bar, figure(ours.middle()));
        return format!(
            "| {} | ≤ {bar} {unit} | {value} | | **{value}** | | {} |",
            work.title,
            met(is_met),
            unit = work.unit
        );
    };
    let peers: Vec<&Row> = rows[1..].iter().filter(|row| against.contains(&row.kind)).collect();
    let Some(best) = peers.iter().min_by(|one, other| one.middle().total_cmp(&other.middle())) else {
        return format!("| {} | ≤ {:.2} | {} | nobody | | | |", work.title, work.bar, figure(ours.middle()));
    };
    let least = peers.iter().map(|row| row.least()).fold(f64::INFINITY, f64::min);
    let ratio = ours.middle() / best.middle();
    format!(
        "| {} | ≤ {:.2} | {} {} | {} {} | **{ratio:.2}** | {:.2} | {} |",
        work.title,
        work.bar,
        figure(ours.middle()),
        work.unit,
        best.kind.name(),
        figure(best.middle()),
        ours.least() / least,
        met(ratio <= work.bar),
    )
}

fn met(is_met: bool) -> &'static str {
    if is_met { "yes" } else { "**no**" }
}

/// The table of ratios.
pub(crate) fn print_lines(lines: &[String]) {
    println!("\n## Ratios\n");
    println!("| work | bar | Penstock | best of those compared | ratio of medians | of best rounds | met |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    for line in lines {
        println!("{line}");
    }
}
