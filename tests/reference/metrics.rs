//! Metrics, read from what the operator serves.

use std::collections::{BTreeMap, BTreeSet};

use lazarus::report::metrics::{Kind, Metrics, Verb};

use super::{row, table};

#[derive(Default)]
struct Metric {
    help: String,
    kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Name of each series, with its metric.
fn metrics() -> BTreeMap<String, Metric> {
    let metrics = Metrics::new();
    // These series begin with the first write.
    for verb in Verb::ALL {
        for kind in Kind::ALL {
            metrics.wrote(*verb, *kind);
        }
    }
    let (mut families, mut found) = (BTreeMap::new(), BTreeMap::<String, Metric>::new());
    for line in metrics.encode().lines() {
        let comment = |mark| line.strip_prefix(mark).and_then(|rest: &str| rest.split_once(' '));
        if let Some((name, help)) = comment("# HELP ") {
            families.entry(name.to_owned()).or_insert_with(Metric::default).help = help.trim_end_matches('.').to_owned();
        } else if let Some((name, kind)) = comment("# TYPE ") {
            kind.clone_into(&mut families.entry(name.to_owned()).or_insert_with(Metric::default).kind);
        } else if !line.starts_with('#') {
            let (series, _value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let family = ["_total", "_info", "_sum", "_count", "_bucket"].iter().find_map(|end| {
                let family = name.strip_suffix(end)?;
                families.contains_key(family).then_some(family)
            });
            let Metric { help, kind, .. } = &families[family.unwrap_or(name)];
            let metric = found.entry(name.to_owned()).or_default();
            (metric.help, metric.kind) = (help.clone(), kind.clone());
            for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once('=').unwrap();
                metric.labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
            }
        }
    }
    found
}

pub fn page() -> String {
    let rows = metrics().into_iter().map(|(name, metric)| {
        let labels = metric.labels.iter().map(|(label, values)| {
            let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
            // The version would make another page of every release.
            if metric.kind == "info" { format!("`{label}`") } else { format!("`{label}`: {}", values.join(", ")) }
        });
        let labels = labels.collect::<Vec<_>>().join("; ");
        row([&format!("`{name}`"), &metric.kind, &labels, &metric.help])
    });
    format!(
        "# Metrics\n\n\
         Each replica of the operator serves these at `/metrics`, port 8080, in the OpenMetrics text format. \
         Every label has a fixed set of values: no name of a mission or an agent becomes a series. \
         A replica that does not lead counts what it reads, and writes nothing.\n\n\
         {}",
        table(std::iter::once(row(["Name", "Type", "Labels and their values", "Meaning"])).chain(rows)),
    )
}
