//! How results are written: tables and times for people, JSON for programs.

use std::io::{ErrorKind, Write};

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::Error;
use crate::runtime::time::from_time;

/// The form of the output.
#[derive(clap::Args, Clone, Copy)]
pub(super) struct Output {
    /// Form of the output; the fields of the JSON are in the reference, and stay
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables and sentences
    Text,
    /// One JSON object
    Json,
}

impl Output {
    pub fn is_json(self) -> bool {
        self.output == Format::Json
    }

    /// Writes the value as JSON, or what `text` makes of it.
    pub fn write<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Error> {
        match self.output {
            Format::Text => print(&text(value)),
            Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(value)?)),
        }
    }

    /// Tells a person what happens; programs get the result alone.
    pub fn tell(self, line: &str) {
        if !self.is_json() {
            // Whoever closed the pipe does not want to know.
            let _ = print(&format!("{line}\n"));
        }
    }
}

/// Writes text to standard output. A reader that has seen enough (`| head`) closes the pipe: that is no failure.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Columns as wide as they must be, with three spaces between them; the first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<_> = (0..columns).map(|column| rows.iter().map(|row| cell(row, column)).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// A span as people say it, in its largest unit or two, as kubectl does: 45s, 5m, 3h20m, 6d.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 && seconds % 60 > 0 => format!("{minutes}m{}s", seconds % 60),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 && minutes % 60 > 0 => format!("{hours}h{}m", minutes % 60),
        () if hours < 48 => format!("{hours}h"),
        () => format!("{days}d"),
    }
}

/// How long ago it was; `-` where that is not known.
pub(super) fn age(time: Option<&Time>, now: DateTime<Utc>) -> String {
    time.map_or_else(|| "-".into(), |time| span(now - from_time(time)))
}

/// The time of the day, with the day where it is not today's.
pub(super) fn moment(time: &Time, now: DateTime<Utc>) -> String {
    let time = from_time(time);
    let form = if time.date_naive() == now.date_naive() { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    time.format(form).to_string()
}

/// The time, and how far away it is.
pub(super) fn when(time: &Time, now: DateTime<Utc>) -> String {
    let away = from_time(time) - now;
    let away = if away < TimeDelta::zero() { format!("{} ago", span(-away)) } else { format!("in {}", span(away)) };
    format!("{} ({away})", moment(time, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::time::to_time;

    #[test]
    fn spans_are_said_as_kubectl_says_them() {
        let spans = [0, 119, 120, 301, 599, 600, 7200, 10_800, 12_000, 86_400, 172_800, 700_000];
        let said: Vec<_> = spans.iter().map(|seconds| span(TimeDelta::seconds(*seconds))).collect();
        assert_eq!(said, ["0s", "119s", "2m", "5m1s", "9m59s", "10m", "120m", "3h", "3h20m", "24h", "2d", "8d"]);
    }

    #[test]
    fn times_of_another_day_say_so() {
        let now = "2026-01-31T12:00:00Z".parse().unwrap();
        let at = |text: &str| when(&to_time(text.parse().unwrap()), now);
        assert_eq!(at("2026-01-31T12:28:00Z"), "12:28:00Z (in 28m)");
        assert_eq!(at("2026-01-31T11:59:00Z"), "11:59:00Z (60s ago)");
        assert_eq!(at("2026-02-01T00:00:00Z"), "2026-02-01 00:00:00Z (in 12h)");
        assert_eq!(age(None, now), "-");
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [row(["NAME", "STATE"]), row(["scout", "✔ alive"]), row(["s", ""])];
        assert_eq!(table(&rows), "NAME    STATE\nscout   ✔ alive\ns\n");
    }
}
