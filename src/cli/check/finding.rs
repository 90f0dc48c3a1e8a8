//! What one check comes to.

use schemars::JsonSchema;
use serde::Serialize;

/// How a check ends.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Outcome {
    /// All is well.
    Ok,
    /// All is well, and there is something to know.
    Note,
    /// It works, and could be better.
    Warning,
    /// It does not work.
    Failed,
    /// Whoever asks has no right to see it, or it is not there to be seen.
    NotLookedAt,
}

/// One check.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// The check as a line.
    pub fn line(&self) -> String {
        let Self { check, outcome, message, remedy } = self;
        let mark = match outcome {
            Outcome::Ok => "ok",
            Outcome::Note => "note",
            Outcome::Warning => "warn",
            Outcome::Failed => "FAIL",
            Outcome::NotLookedAt => "skip",
        };
        let remedy = remedy.as_ref().map(|remedy| format!(" → {remedy}")).unwrap_or_default();
        // Messages of the API server have lines of their own.
        let line = format!("{mark:<4}  {check}: {message}{remedy}").replace('\n', " ");
        format!("{line}\n")
    }
}

pub(super) fn ok(check: &str, message: impl Into<String>) -> Finding {
    Finding { check: check.into(), outcome: Outcome::Ok, message: message.into(), remedy: None }
}

pub(super) fn note(check: &str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { outcome: Outcome::Note, remedy: Some(remedy.into()), ..ok(check, message) }
}

pub(super) fn warn(check: &str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { outcome: Outcome::Warning, remedy: Some(remedy.into()), ..ok(check, message) }
}

pub(super) fn fail(check: &str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { outcome: Outcome::Failed, remedy: Some(remedy.into()), ..ok(check, message) }
}

pub(super) fn skip(check: &str, why: &str) -> Finding {
    Finding { outcome: Outcome::NotLookedAt, ..ok(check, format!("not looked at: {why}")) }
}
