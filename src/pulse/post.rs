//! What an agent may post about itself: pure.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::api::beat::kept;

/// The longest post, in bytes.
pub const LONGEST_POST: usize = 1024;
/// The longest time that an agent may ask to be left alone, in seconds: a day.
pub const LONGEST_BUSY: u32 = 24 * 3600;

/// One post. `None`: it says nothing of this, so what was said before stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Post {
    /// What it is doing.
    pub status: Option<String>,
    /// A number that grows as it works.
    pub cycle: Option<u64>,
    /// What it works on.
    pub task: Option<String>,
    /// State of its provider.
    pub provider: Option<String>,
    /// Seconds for which it wants to be left alone, from now: 0 for a moment that is past or can't be read.
    pub busy_seconds: Option<u32>,
}

/// Why a post is not taken; the text goes back to the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NoObject,
    /// A field of the wrong type.
    #[error("`{0}` must be {1}")]
    Field(&'static str, &'static str),
}

impl Post {
    /// Reads a post at wall-clock time `now`; unknown fields are ignored, an empty body says only that the agent is well.
    ///
    /// # Errors
    /// It is not a JSON object, or a known field has another type.
    pub fn read(body: &[u8], now: DateTime<Utc>) -> Result<Self, Invalid> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Invalid::NoObject)?;
        // It is checked like the others, but nothing is made of it.
        text(&fields, "model")?;
        Ok(Self {
            status: text(&fields, "status")?,
            cycle: match field(&fields, "cycle") {
                None => None,
                Some(value) => Some(value.as_u64().ok_or(Invalid::Field("cycle", "a whole number from 0"))?),
            },
            task: text(&fields, "task")?,
            provider: text(&fields, "provider")?,
            busy_seconds: match field(&fields, "busyUntil") {
                None => None,
                Some(Value::String(moment)) => Some(until(moment, now)),
                Some(_) => return Err(Invalid::Field("busyUntil", "a time as text, for example 2026-01-31T12:00:00Z")),
            },
        })
    }
}

/// Libraries write null for what is not set.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn text(fields: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Invalid> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(kept(text))),
        Some(_) => Err(Invalid::Field(name, "text")),
    }
}

/// The agent shares the machine's clock with the sidecar, so only the span between the two is used.
fn until(moment: &str, now: DateTime<Utc>) -> u32 {
    let Ok(moment) = DateTime::parse_from_rfc3339(moment) else { return 0 };
    let seconds = moment.signed_duration_since(now).num_seconds().clamp(0, LONGEST_BUSY.into());
    u32::try_from(seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests;
