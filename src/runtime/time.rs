//! Conversions between chrono, which the operator computes in, and the jiff types of `k8s_openapi`.
//!
//! A `Time` holds whole seconds, a `MicroTime` whole microseconds: both are truncated here, so that what is
//! written equals what is read back and an unchanged object compares equal.

use chrono::{DateTime, SubsecRound, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// `time` without its sub-second part, as the API stores it.
#[must_use]
pub fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0)
}

/// To an API time of whole seconds; years beyond ±9999 become the nearest end of that range.
#[must_use]
pub fn to_time(time: DateTime<Utc>) -> Time {
    let seconds = time.timestamp();
    Time(Timestamp::from_second(seconds).unwrap_or(nearest_end(seconds)))
}

/// From an API time, truncated to whole seconds.
#[must_use]
pub fn from_time(time: &Time) -> DateTime<Utc> {
    whole_seconds(from_timestamp(time.0))
}

/// To an API time of whole microseconds; years beyond ±9999 become the nearest end of that range.
#[must_use]
pub fn to_micro_time(time: DateTime<Utc>) -> MicroTime {
    let seconds = time.timestamp();
    MicroTime(Timestamp::from_microsecond(time.timestamp_micros()).unwrap_or(nearest_end(seconds)))
}

/// From an API time, truncated to whole microseconds.
#[must_use]
pub fn from_micro_time(time: &MicroTime) -> DateTime<Utc> {
    from_timestamp(time.0).trunc_subsecs(6)
}

fn from_timestamp(timestamp: Timestamp) -> DateTime<Utc> {
    // jiff's range (±9999 years) lies within chrono's, so the microseconds always fit.
    DateTime::from_timestamp_micros(timestamp.as_microsecond()).unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
}

fn nearest_end(seconds: i64) -> Timestamp {
    if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn round_trips_lose_only_what_the_api_does_not_store() {
        let exact = moment("2026-11-21T07:30:59.123456789Z");
        assert_eq!(from_time(&to_time(exact)), moment("2026-11-21T07:30:59Z"));
        assert_eq!(from_micro_time(&to_micro_time(exact)), moment("2026-11-21T07:30:59.123456Z"));
    }

    #[test]
    fn what_is_written_is_what_is_read_back() {
        for text in ["2026-11-21T07:30:59.999999999Z", "1969-12-31T23:59:59.5Z"] {
            let time = to_time(moment(text));
            let stored = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&stored).unwrap(), time);
            let micro_time = to_micro_time(moment(text));
            let stored = serde_json::to_string(&micro_time).unwrap();
            assert_eq!(serde_json::from_str::<MicroTime>(&stored).unwrap(), micro_time);
        }
    }

    #[test]
    fn times_beyond_the_range_are_clamped() {
        assert_eq!(to_time(DateTime::<Utc>::MAX_UTC).0, Timestamp::MAX);
        assert_eq!(to_micro_time(DateTime::<Utc>::MIN_UTC).0, Timestamp::MIN);
    }
}
