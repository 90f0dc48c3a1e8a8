//! The key `gateway`: how agents that run elsewhere reach it, and how often sidecars look at their networks.

use std::net::IpAddr;

use serde::Deserialize;

use super::in_range;

const MOST_SANS: usize = 16;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct GatewayKeys {
    pub(super) network_check_seconds: u32,
    external: ExternalKeys,
}

impl Default for GatewayKeys {
    fn default() -> Self {
        Self { network_check_seconds: 300, external: ExternalKeys::default() }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ExternalKeys {
    sans: Vec<String>,
}

impl GatewayKeys {
    pub(super) fn check(&self) -> Result<(), String> {
        in_range("gateway.networkCheckSeconds", self.network_check_seconds.into(), 1..=3600)?;
        let sans = &self.external.sans;
        if sans.len() > MOST_SANS {
            return Err(format!("gateway.external.sans has {} names: it must have at most {MOST_SANS}", sans.len()));
        }
        match sans.iter().position(|san| san.parse::<IpAddr>().is_err() && !is_name(san)) {
            Some(place) => Err(format!(
                "gateway.external.sans[{place}] is {:?}: it must be a DNS name or an IP address, without a port",
                sans.get(place).map(String::as_str).unwrap_or_default()
            )),
            None => Ok(()),
        }
    }

    pub(super) fn typed(self) -> Vec<String> {
        self.external.sans
    }
}

/// RFC 1123, section 2.1. A last part of digits alone is what remains of a mistyped address.
fn is_name(text: &str) -> bool {
    let of_labels = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(of_labels) && !label.starts_with('-') && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(numeric)
}
