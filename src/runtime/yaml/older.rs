//! What YAML 1.1, as kubectl reads it, takes for booleans and numbers, and YAML 1.2 for text.

use serde_json::Value;

/// What text without quotes is to kubectl, if that is no text.
pub(super) fn older(word: &str) -> Option<Value> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some(false.into()),
        _ if !word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => return None,
        _ => {}
    }
    let plain = word.replace('_', "");
    let digits = plain.trim_start_matches(['+', '-']);
    let sign = if plain.starts_with('-') { -1 } else { 1 };
    let whole = match digits.strip_prefix("0b") {
        Some(bits) => i64::from_str_radix(bits, 2),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    if let Ok(whole) = whole {
        return Some((sign * whole).into());
    }
    // Rust also reads `inf` and `nan`, which no digit begins.
    let number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    plain.parse::<f64>().ok().filter(|value| number && value.is_finite()).map(Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_that_are_no_text() {
        for (word, meant) in [
            ("yes", Some(json!(true))),
            ("Off", Some(json!(false))),
            ("0644", Some(json!(420))),
            ("-0_10", Some(json!(-8))),
            ("0b11", Some(json!(3))),
            ("1_000", Some(json!(1000))),
            ("089", Some(json!(89.0))),
            ("yEs", None),
            ("12:30", None),
            ("1.2.3", None),
            ("64Mi", None),
            ("-", None),
            (".inf", None),
            ("", None),
        ] {
            assert_eq!(older(word), meant, "{word}");
        }
    }
}
