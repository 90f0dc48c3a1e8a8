#![allow(clippy::unwrap_used)]

use super::super::telemetry::{LogFormat, LogLevel};
use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let path = std::env::temp_dir().join(format!("lazarus-config-{:?}.yaml", std::thread::current().id()));
    std::fs::write(&path, text).unwrap();
    let result = Config::load(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"));
    std::fs::remove_file(&path).unwrap();
    result
}

#[test]
fn the_shipped_file_is_the_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/lazarus.yaml");
    assert_eq!(Config::load(&path).unwrap(), Config::default());
}

#[test]
fn the_shipped_file_names_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/lazarus.yaml");
    let keys: serde_json::Value = yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let paths = [
        "/defaults/revive",
        "/defaults/heartbeat/intervalSeconds",
        "/defaults/heartbeat/staleAfterSeconds",
        "/defaults/heartbeat/deadAfterSeconds",
        "/defaults/heartbeat/startupGraceSeconds",
        "/defaults/heartbeat/stalledAfterSeconds",
        "/defaults/heartbeat/maxBusySeconds",
        "/defaults/storm/maxUnhealthyPercent",
        "/defaults/storm/minAgents",
        "/defaults/storm/maxInFlight",
        "/defaults/storm/cooldownSeconds",
        "/defaults/restart/maxAttempts",
        "/defaults/restart/backoffSeconds",
        "/defaults/restart/maxBackoffSeconds",
        "/defaults/restart/resetAfterSeconds",
        "/leaderElection/leaseDurationSeconds",
        "/leaderElection/renewDeadlineSeconds",
        "/leaderElection/retryPeriodSeconds",
        "/concurrency",
        "/requestTimeoutSeconds",
        "/gateway/external/sans",
        "/log/level",
        "/log/format",
    ];
    for path in paths {
        assert!(keys.pointer(path).is_some(), "{path} is missing");
    }
}

#[test]
fn the_defaults_pass_their_own_checks() {
    assert_eq!(File::default().check().unwrap(), Config::default());
    for empty in ["", "# only a comment\n", "{}\n"] {
        assert_eq!(parse(empty).unwrap(), Config::default());
    }
}

#[test]
fn a_key_given_alone_leaves_its_neighbours_at_their_defaults() {
    let config = parse("defaults: {restart: {maxAttempts: 7}}\nlog: {format: text}\n").unwrap();
    let restart = config.defaults.restart.unwrap();
    assert_eq!((restart.max_attempts, restart.backoff_seconds), (Some(7), Some(30)));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
}

#[test]
fn names_and_addresses_of_the_way_from_outside_are_taken_as_they_are() {
    let config = parse("gateway: {external: {sans: [agents.example, 203.0.113.7, \"2001:db8::7\"]}}\n").unwrap();
    assert_eq!(config.gateway_sans, ["agents.example", "203.0.113.7", "2001:db8::7"]);
}

#[test]
fn errors_name_the_key_and_what_is_allowed() {
    let cases = [
        (
            "concurency: 3",
            "FILE: unknown field `concurency`, expected one of `defaults`, `leaderElection`, `concurrency`, \
                           `requestTimeoutSeconds`, `gateway`, `isolation`, `log`",
        ),
        (
            "defaults: {restart: {attempts: 1}}",
            "FILE: defaults.restart: unknown field `attempts`, expected one of `maxAttempts`, \
                           `backoffSeconds`, `maxBackoffSeconds`, `resetAfterSeconds`",
        ),
        (
            "log: {level: loud}",
            "FILE: log.level: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace`",
        ),
        ("defaults: {revive: Sometimes}", "FILE: defaults.revive: unknown variant `Sometimes`, expected"),
        ("gateway: {external: {serviceType: NodePort}}", "FILE: gateway.external: unknown field `serviceType`, expected `sans`"),
        (
            "gateway: {external: {sans: [agents.example, \"agents.example:443\"]}}",
            "FILE: gateway.external.sans[1] is \"agents.example:443\": it must be a DNS name or an IP address, without a port",
        ),
        ("gateway: {external: {sans: [10.0.0.256]}}", "FILE: gateway.external.sans[0] is \"10.0.0.256\": it must be"),
        ("gateway: {external: {sans: [\"\"]}}", "FILE: gateway.external.sans[0] is \"\": it must be"),
        ("gateway: {external: {sans: [\"*.example\"]}}", "FILE: gateway.external.sans[0] is \"*.example\": it must be"),
        (
            "gateway: {external: {sans: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]}}",
            "FILE: gateway.external.sans has 17 names: it must have at most 16",
        ),
        ("isolation: {minimumLevel: Level9}", "isolation.minimumLevel: unknown variant `Level9`"),
        (
            "isolation: {allowedRegistries: [registry.example]}",
            "FILE: isolation.allowedRegistries[0] is \"registry.example\": it must end with `/`",
        ),
        ("isolation: {maxEgress: [anywhere]}", "FILE: isolation.maxEgress[0] is \"anywhere\": it must be a range of addresses"),
        (
            "isolation: {egressProxy: {namespaceSelector: {a: b}, podSelector: {}, port: 1, url: http://x}}",
            "FILE: isolation.egressProxy.podSelector is empty: it must have the labels of the proxy",
        ),
        (
            "isolation: {egressProxy: {namespaceSelector: {a: b}, podSelector: {a: b}, port: 0, url: http://x}}",
            "FILE: isolation.egressProxy.port is 0: it must be between 1 and 65535",
        ),
        (
            "isolation: {egressProxy: {namespaceSelector: {a: b}, podSelector: {a: b}, port: 1, url: x}}",
            "FILE: isolation.egressProxy.url is \"x\": it must be such as",
        ),
        ("concurrency: 0", "FILE: concurrency is 0: it must be between 1 and 256"),
        ("concurrency: 257", "FILE: concurrency is 257: it must be between 1 and 256"),
        (
            "defaults: {restart: {maxBackoffSeconds: 29}}",
            "FILE: defaults.restart.maxBackoffSeconds is 29: it must be between 30 and 86400",
        ),
        (
            "leaderElection: {leaseDurationSeconds: 301}",
            "FILE: leaderElection.leaseDurationSeconds is 301: it must be between 1 and 300",
        ),
        (
            "leaderElection: {leaseDurationSeconds: 10}",
            "FILE: leaderElection.leaseDurationSeconds is 10: \
                           it must be greater than leaderElection.renewDeadlineSeconds (10)",
        ),
        (
            "leaderElection: {retryPeriodSeconds: 9}",
            "FILE: leaderElection.renewDeadlineSeconds is 10: \
                           it must be greater than 1.2 times leaderElection.retryPeriodSeconds (9)",
        ),
        ("leaderElection: {retryPeriodSeconds: 0}", "FILE: leaderElection.retryPeriodSeconds is 0: it must be between 1 and 300"),
        (
            "requestTimeoutSeconds: 8",
            "FILE: requestTimeoutSeconds is 8: together with 1.2 times leaderElection.retryPeriodSeconds (2) \
                           it must be less than leaderElection.renewDeadlineSeconds (10)",
        ),
    ];
    for (text, expected) in cases {
        let message = parse(text).unwrap_err();
        assert!(message.contains(expected), "{text}\n  gave {message}\n  not  {expected}");
    }
    let message = Config::load(Path::new("/absent.yaml")).unwrap_err().to_string();
    assert!(message.starts_with("cannot read the configuration file /absent.yaml"), "{message}");
}
