//! Conditions, reasons and Events.

use lazarus::api::conditions::{ConditionType, Reason, RequestCondition, RequestReason};
use lazarus::report;

use super::{row, table};

pub fn conditions() -> String {
    let types = ConditionType::ALL.iter().map(|word| row([&format!("`{word}`"), word.meaning()]));
    let requests = RequestCondition::ALL.iter().map(|word| row([&format!("`{word}`"), word.meaning()]));
    let request_reasons = RequestReason::ALL.iter().map(|word| row([&format!("`{word}`"), word.meaning()]));
    let reasons = Reason::ALL.iter().map(|word| row([&format!("`{word}`"), word.meaning()]));
    let head = |word| std::iter::once(row([word, "Meaning"]));
    format!(
        "# Conditions and reasons\n\n\
         `status.conditions` of a MissionCell has these types. `Ready` and `PolicyResolved` are always there; \
         the others are there only while they are true.\n\n\
         {}\n\
         ## Reasons\n\n\
         A reason is one word. It stands in a condition, in `status.agents[].reason`, or in both. \
         What to do about each: [debug a mission](../how-to/debug-a-mission.md).\n\n\
         {}\
         ## Conditions of a RevivalRequest\n\n\
         Each is there only while it is true.\n\n\
         {}\
         Their reasons:\n\n\
         {}",
        table(head("Type").chain(types)),
        table(head("Reason").chain(reasons)),
        table(head("Type").chain(requests)),
        table(head("Reason").chain(request_reasons)),
    )
}

pub fn events() -> String {
    let rows = report::catalogue().iter().map(|(reason, meaning)| row([&format!("`{reason}`"), meaning]));
    format!(
        "# Events\n\n\
         The operator sends these Events about a MissionCell, each when the status changes. They are a courtesy: \
         Kubernetes keeps them for a short time, and one that can't be sent is not sent again. The status has it all.\n\n\
         ```console\n$ kubectl events --for mcell/night-watch\n```\n\n\
         {}",
        table(std::iter::once(row(["Reason", "When"])).chain(rows)),
    )
}
