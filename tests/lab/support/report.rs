//! What a person needs to see why a test failed.

use super::{lab, operator};

/// Prints the changes that were seen, and what is there now.
pub fn print(namespace: &str, history: &[String]) {
    println!("--- namespace {namespace}, what happened");
    for line in history {
        println!("{line}");
    }
    let show = |title: &str, arguments: &[&str]| {
        let text = lab::kubectl(arguments, "").unwrap_or_else(|complaint| complaint);
        println!("--- {title}\n{text}");
    };
    show("missions", &["get", "missioncells", "-n", namespace, "-o", "yaml"]);
    show("pods", &["get", "pods", "-n", namespace, "-o", "wide"]);
    show("events", &["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"]);
    let selector = format!("--selector={}", operator::SELECTOR);
    show("operator", &["get", "pods", "-n", operator::NAMESPACE, &selector, "-o", "wide"]);
    let logs = lab::kubectl(&["logs", "-n", operator::NAMESPACE, &selector, "--prefix", "--tail=2000"], "");
    let logs = logs.unwrap_or_else(|complaint| complaint);
    // A decision says what the status above says, on one line of kilobytes.
    let told = |line: &&str| (line.contains(namespace) || line.contains("ERROR")) && !line.contains(r#"{"kind":"Decision""#);
    let about: Vec<_> = logs.lines().filter(told).collect();
    println!("--- the operator's log about it, without its decisions");
    for line in about.iter().skip(about.len().saturating_sub(60)) {
        println!("{line}");
    }
}
