//! What a sidecar asks and reports, and what it is told: the wire protocol, version 1.
//!
//! Times are spans by the sidecar's monotonic clock, never moments: no clock that is stepped makes an agent look dead.

use serde::{Deserialize, Serialize};

/// The version this operator speaks; it also reads the one before, of which there is none yet.
pub const PROTOCOL: u8 = 1;

/// The longest body of a report, in bytes.
pub const LONGEST_BODY: usize = 1024;

/// The longest text of one field that is kept, in characters.
const LONGEST_TEXT: usize = 64;

/// `POST /beat`: one report. Fields that this version does not know are ignored: a newer sidecar may send them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beat {
    /// Version of the protocol.
    pub protocol: u8,
    /// What the sidecar sees of the agent.
    pub agent: Seen,
    /// Seconds since the agent was last seen well, or since the sidecar began to look.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub silent_seconds: u32,
    /// Whether this sidecar has seen the agent well at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ever_healthy: bool,
    /// What the agent says it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A number that grows as the agent works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u64>,
    /// What the agent works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// State of the agent's provider, as the agent reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Seconds for which the agent has asked to be left alone, from now; absent while it has said nothing of that to this
    /// sidecar, which may have been started later than the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_seconds: Option<u32>,
    /// What the sidecar last found out about its pod's network; absent: it has not looked.
    #[serde(default, skip_serializing_if = "Network::is_unknown")]
    pub network: Network,
}

/// Whether a pod's network is closed as its level asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The sidecar has not said, to this replica.
    #[default]
    Unknown,
    /// It does not reach the port that no agent may reach, and reaches the gateway.
    Closed,
    /// It reaches the port that no agent may reach.
    Open,
}

impl Network {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// What the sidecar sees of the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// It answers, or reported by itself.
    Healthy,
    /// It does not.
    Silent,
    /// Nothing but the process is watched.
    #[default]
    Unobserved,
}

/// The answer to a report that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Seconds until the next report is wanted.
    pub next_heartbeat_seconds: u32,
    /// Agents whose parts this one has taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
}

/// `POST /admission`: may the agent of this pod start? The token says which pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// Version of the protocol.
    pub protocol: u8,
    /// What the sidecar has just found out about its pod's network; absent: it has not looked.
    #[serde(default, skip_serializing_if = "Network::is_unknown")]
    pub network: Network,
}

/// The answer to a question for admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// Whether it may.
    pub admitted: bool,
    /// Seconds until it is worth asking again, when it may not yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_seconds: u32,
}

/// The answer to whatever was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, for people: the field, or what to do.
    pub message: String,
}

/// Why a report is not taken. The text goes back to the sidecar and names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Too long to be one.
    #[error("the body is longer than {LONGEST_BODY} bytes")]
    TooLong,
    /// Not JSON, or not of this form.
    #[error("the body is not a report: `protocol` (a number) and `agent` (Healthy, Silent or Unobserved) are required")]
    Malformed,
    /// Of a version that is not spoken here.
    #[error("`protocol` must be {PROTOCOL}")]
    Protocol,
}

impl Ask {
    /// A question of this version.
    #[must_use]
    pub fn of(network: Network) -> Self {
        Self { protocol: PROTOCOL, network }
    }

    /// Reads a question.
    ///
    /// # Errors
    /// It is too long, not a question, or of another version.
    pub fn read(body: &[u8]) -> Result<Self, Invalid> {
        if body.len() > LONGEST_BODY {
            return Err(Invalid::TooLong);
        }
        let ask: Self = serde_json::from_slice(body).map_err(|_| Invalid::Malformed)?;
        if ask.protocol == PROTOCOL { Ok(ask) } else { Err(Invalid::Protocol) }
    }
}

impl Beat {
    /// The shortest report.
    #[must_use]
    pub fn of(agent: Seen) -> Self {
        Self {
            protocol: PROTOCOL,
            agent,
            silent_seconds: 0,
            ever_healthy: agent == Seen::Healthy,
            status: None,
            cycle: None,
            task: None,
            provider: None,
            busy_seconds: None,
            network: Network::Unknown,
        }
    }

    /// Reads a report; what is text in it is shortened to what is kept.
    ///
    /// # Errors
    /// It is too long, not a report, or of another version.
    pub fn read(body: &[u8]) -> Result<Self, Invalid> {
        if body.len() > LONGEST_BODY {
            return Err(Invalid::TooLong);
        }
        let mut beat: Self = serde_json::from_slice(body).map_err(|_| Invalid::Malformed)?;
        if beat.protocol != PROTOCOL {
            return Err(Invalid::Protocol);
        }
        for text in [&mut beat.status, &mut beat.task, &mut beat.provider].into_iter().flatten() {
            *text = kept(text);
        }
        Ok(beat)
    }
}

/// What is kept of a text: its first 64 characters that are not control characters.
#[must_use]
pub fn kept(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_version_1_is_read_as_it_was_when_version_1_began() {
        let body = r#"{"protocol":1,"agent":"Silent","silentSeconds":312,"status":"thinking","cycle":7,"task":"t-1","provider":"primary_dead","everHealthy":true,"busySeconds":60,"later":true}"#;
        let beat = Beat::read(body.as_bytes()).unwrap();
        assert_eq!((beat.agent, beat.silent_seconds, beat.cycle), (Seen::Silent, 312, Some(7)));
        assert_eq!((beat.busy_seconds, beat.ever_healthy), (Some(60), true));
        let least = Beat::read(br#"{"protocol":1,"agent":"Unobserved"}"#).unwrap();
        assert_eq!((least.silent_seconds, least.task, least.network), (0, None, Network::Unknown));
        assert_eq!(Ask::read(br#"{"protocol":1,"later":true}"#).unwrap().network, Network::Unknown);
    }

    #[test]
    fn what_is_not_known_of_the_network_is_not_said() {
        let text = |network| {
            let beat = Beat { network, ..Beat::of(Seen::Unobserved) };
            [serde_json::to_string(&Ask::of(network)).unwrap(), serde_json::to_string(&beat).unwrap()]
        };
        assert_eq!(text(Network::Unknown), [r#"{"protocol":1}"#, r#"{"protocol":1,"agent":"Unobserved"}"#]);
        for (network, word) in [(Network::Closed, "Closed"), (Network::Open, "Open")] {
            let [ask, beat] = text(network);
            assert_eq!(ask, format!(r#"{{"protocol":1,"network":"{word}"}}"#));
            assert_eq!(Ask::read(ask.as_bytes()).unwrap().network, network);
            assert_eq!(Beat::read(beat.as_bytes()).unwrap().network, network);
        }
        assert_eq!(Ask::read(br#"{"protocol":1,"network":"Ajar"}"#), Err(Invalid::Malformed));
    }

    #[test]
    fn hostile_reports_are_refused_or_shortened() {
        assert_eq!(Beat::read(&[b' '; LONGEST_BODY + 1]), Err(Invalid::TooLong));
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"protocol":1}"#,
            r#"{"protocol":1,"agent":"healthy"}"#,
            r#"{"protocol":-1,"agent":"Healthy"}"#,
        ] {
            assert_eq!(Beat::read(body.as_bytes()), Err(Invalid::Malformed), "{body}");
        }
        assert_eq!(Beat::read(br#"{"protocol":2,"agent":"Healthy"}"#), Err(Invalid::Protocol));
        let body = format!(r#"{{"protocol":1,"agent":"Healthy","task":"\u0007{}"}}"#, "é".repeat(300));
        assert_eq!(Beat::read(body.as_bytes()).unwrap().task.unwrap(), "é".repeat(LONGEST_TEXT));
        assert_eq!(Beat::read(&[b'['; LONGEST_BODY]), Err(Invalid::Malformed));
    }
}
