//! Logs: one line per event on stderr.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important level that is shown.
    pub level: LogLevel,
    /// One JSON object per line, or text.
    pub format: LogFormat,
    /// Whether each decision that changes something is written to stdout, with what it was decided from.
    pub decisions: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::default(), format: LogFormat::default(), decisions: true }
    }
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the usual five levels")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The level as the file and log filters spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line, for collectors.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` is set to something that is not a filter.
    #[error("RUST_LOG is not a log filter: {0}; unset it or write for example lazarus=debug,kube=info")]
    Filter(String),
    /// Logging was already set up in this process.
    #[error("logging is already set up: {0}")]
    AlreadySet(String),
}

/// Starts logging to stderr. `RUST_LOG`, where set and not empty, wins over `log.level`.
///
/// Without it the level is that of the operator's own lines; libraries log only warnings and errors.
///
/// # Errors
/// `RUST_LOG` can't be read as a filter, or logging was set up before.
pub fn start(log: Log) -> Result<(), Error> {
    let environment = std::env::var("RUST_LOG").ok();
    let filter = filter(log, environment.as_deref())?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let result = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    result.map_err(|error| Error::AlreadySet(error.to_string()))
}

fn filter(log: Log, environment: Option<&str>) -> Result<EnvFilter, Error> {
    let default = format!("warn,lazarus={}", log.level.as_str());
    let directives = environment.filter(|text| !text.trim().is_empty()).unwrap_or(&default);
    EnvFilter::try_new(directives).map_err(|error| Error::Filter(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_unless_empty() {
        let log = Log::default();
        assert_eq!(filter(log, Some("debug")).unwrap().to_string(), "debug");
        for unset in [None, Some(""), Some(" ")] {
            let directives = filter(log, unset).unwrap().to_string();
            assert!(directives.contains("lazarus=info") && directives.contains("warn"), "{directives}");
        }
        let message = filter(log, Some("lazarus=loud")).unwrap_err().to_string();
        assert!(message.starts_with("RUST_LOG is not a log filter"), "{message}");
    }
}
