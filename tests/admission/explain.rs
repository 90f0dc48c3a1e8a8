//! `kubectl explain` as documentation.

use super::lab::{eventually, install, kubectl};

/// A path, and what a person who looks there must find, in the order of the output.
const PAGES: &[(&str, &[&str])] = &[
    ("missioncell", &["KIND: MissionCell", "A mission and its agents", "spec <Object> -required-", "status <Object>"]),
    (
        "mcell.spec",
        &[
            "agents <[]Object> -required-",
            "each with a name of its own",
            "mission <string> -required-",
            "in one line of at most 200 characters",
            "policyRef <Object>",
            "nothing is started or revived until it is there",
            "revive <string> enum: Always, Ask, Never",
            "`Never` only reports it",
        ],
    ),
    (
        "missioncell.spec.agents",
        &[
            "One agent: what runs, and how it is treated.",
            "completion <string> enum: Required, Optional, Service",
            "`Service`: runs as long as the mission does, so any exit is a death. Absent: `Required`, and `Service` for an agent with `external`.",
            "image <string>",
            "by digest",
            "name <string> -required-",
            "at most 20 small letters",
            "role <string> enum: Lead, Write, Read, Audit",
            "Absent: `Write`.",
            "0 to 3600",
        ],
    ),
    (
        "mcell.spec.agents.env.valueFrom",
        &["Where the value comes from: exactly one of the two.", "A key of a ConfigMap", "A key of a Secret"],
    ),
    ("mcell.spec.agents.resources", &["limits <map[string]Object>", "can't exceed", "`cpu`, `memory`"]),
    ("mcell.status", &["agents <[]Object>", "conditions <[]Object>", "incidents <[]Object>", "nextAction <Object>"]),
    ("agentpolicy", &["KIND: AgentPolicy", "Says how the deaths of agents are handled"]),
    ("rvr", &["KIND: RevivalRequest", "whoever holds the verb `approve`"]),
    ("rvr.status.decisions", &["by <string> -required-", "The API server refuses any other name", "verdict <string> -required-"]),
    ("apol.spec.restart", &["backoffSeconds <integer>", "1 to 86400", "Default 30.", "maxAttempts <integer>", "Default 3."]),
];

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn explain_reads_like_documentation() {
    install().await;
    for (path, wanted) in PAGES {
        // The API server publishes its documentation a moment after the kinds.
        eventually(&format!("explain {path}"), || async {
            kubectl(&["explain", path], "").is_ok_and(|page| missing(&page, wanted).is_none())
        })
        .await;
        let page = kubectl(&["explain", path], "").unwrap();
        for junk in ["[`", "](", "::", "Option", "Auto-generated", "<no description>"] {
            assert!(path.contains("agents") && junk == "Option" || !page.contains(junk), "{path} says `{junk}`:\n{page}");
        }
    }
}

/// The first text that doesn't follow the ones before it; lines and gaps don't count.
fn missing<'a>(page: &str, wanted: &[&'a str]) -> Option<&'a str> {
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = page.as_str();
    wanted.iter().copied().find(|text| match rest.find(text) {
        Some(at) => {
            rest = &rest[at + text.len()..];
            false
        }
        None => true,
    })
}
