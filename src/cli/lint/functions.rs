//! The functions that Kubernetes adds to CEL, as far as our rules call them. A rule with another one is said to be open.

use std::sync::Arc;

use cel::extractors::This;
use cel::objects::OptionalValue;
use cel::{Context, ExecutionError, Value};
use ipnet::IpNet;

use crate::api::quantity::Amount;

type Text = Arc<String>;

pub(super) fn context() -> Context<'static, 'static> {
    let mut context = Context::default();
    // One that CEL itself had by then would be as good.
    let _ = context.add_function("isCIDR", |text: Text| text.parse::<IpNet>().is_ok());
    let _ = context.add_function("cidr", |text: Text| range(&text).map(|range| Text::new(range.to_string())));
    let _ =
        context.add_function("masked", |This(text): This<Text>| range(&text).map(|range| Text::new(range.trunc().to_string())));
    let _ = context.add_function("quantity", |text: Text| amount(&text));
    let _ = context.add_function("compareTo", |This(one): This<f64>, other: f64| compare(one, other));
    let _ = context.add_function("format.qualifiedName", || "qualifiedName".to_owned());
    let _ = context.add_function("validate", |This(format): This<Text>, text: Text| validate(&format, &text));
    context
}

fn range(text: &str) -> Result<IpNet, ExecutionError> {
    text.parse().map_err(|_| ExecutionError::function_error("cidr", format!("{text} is no range of addresses")))
}

fn amount(text: &str) -> Result<f64, ExecutionError> {
    let value = Amount::Text(text.to_owned()).value();
    value.ok_or_else(|| ExecutionError::function_error("quantity", format!("{text} is no amount")))
}

/// Amounts are decimal, so what differs by less than a billionth is the same.
fn compare(one: f64, other: f64) -> i64 {
    let near = (one - other).abs() <= one.abs().max(other.abs()) * 1e-9;
    if near {
        0
    } else if one < other {
        -1
    } else {
        1
    }
}

/// As the API server: nothing, or what is wrong with the text.
fn validate(format: &str, text: &str) -> Result<Value, ExecutionError> {
    if format != "qualifiedName" {
        return Err(ExecutionError::function_error("validate", format!("format {format} is not known")));
    }
    let wrong = if is_qualified_name(text) { OptionalValue::none() } else { OptionalValue::of(Value::from(text)) };
    Ok(Value::Opaque(Arc::new(wrong)))
}

/// The key of a label: a name, or a domain, `/` and a name.
pub(super) fn is_qualified_name(text: &str) -> bool {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let outer = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let named = name.len() <= 63 && name.chars().all(inner) && outer(name.chars().next()) && outer(name.chars().last());
    named && domain.is_none_or(is_domain)
}

/// What most objects can be called: small letters, digits, `-` and `.`.
pub(super) fn is_domain(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let part = |part: &str| !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    text.len() <= 253 && text.split('.').all(part)
}
