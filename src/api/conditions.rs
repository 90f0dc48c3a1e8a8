//! The closed sets of condition types and reasons, with what each means.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares a closed set of words, each with its meaning for people.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $meaning:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $(#[doc = $meaning] $variant,)+ }

        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word as status and Events write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What it means, for the documentation.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )+ };
}

words! {
    /// Types of a mission's conditions.
    ConditionType {
        Ready = "Every agent that the mission needs is alive, or the mission has succeeded.",
        PolicyResolved = "The policy that the mission names was found.",
        Reconciling = "The operator is bringing the mission to the state of its spec. Present only while true.",
        Stalled = "Nothing more happens until a person acts. Present only while true.",
        Succeeded = "All required agents did their work. Present only while true.",
        IsolationVerified = "The agents have the isolation level that applies, as far as the operator can check it. Absent at level None.",
        ApprovalPending = "A person is asked about dead agents: see the mission's RevivalRequests. Present only while true.",
    }

    /// Types of a RevivalRequest's conditions. Those that don't hold are not there.
    RequestCondition {
        Pending = "Nobody has decided yet, or not enough people.",
        Approved = "It was approved, by people or by `onTimeout`, and is being carried out.",
        Denied = "It was denied, by a person or by `onTimeout`: the agents stay dead.",
        Expired = "Nobody decided in time, and `onTimeout` decided instead.",
        Superseded = "There is nothing left to decide: the agents recovered, were removed, or another request was carried out.",
        Executed = "What was approved is done.",
    }

    /// Reasons of a RevivalRequest's conditions.
    RequestReason {
        AwaitingDecision = "Nobody has decided yet.",
        AwaitingQuorum = "Some people approved, but not as many as the quorum asks for the same option.",
        Overdue = "The time is over and `onTimeout` is `Wait`: it can still be decided.",
        ApprovalUnenforced = "The cluster lacks the admission policies that say who may approve, so no approval counts: install them anew.",
        ByPerson = "People decided.",
        ByTimeout = "Nobody decided in time: `onTimeout` of the policy decided.",
        NothingToDecide = "None of the incarnations in it is dead any more and still the agent's last one.",
        Done = "Every agent in it came back, or another agent took over its part.",
    }

    /// Reasons of conditions and of agents' states.
    Reason {
        AgentsAlive = "Every agent is alive or done.",
        Degraded = "Every agent that the mission needs is alive, but an optional one is not.",
        Starting = "Agents are being started.",
        MissionSucceeded = "All required agents did their work.",
        MissionFailed = "A required agent stays dead: its attempts are used, or a person denied its revival.",
        AwaitingApproval = "The agent is dead, and a person is asked what to do: see the mission's RevivalRequests.",
        Denied = "A person, or `onTimeout`, denied the revival of the agent: it stays dead.",
        Substituting = "The dead agent's pod is being removed, so that another agent can take over its part.",
        Substituted = "Another agent has taken over the dead agent's part.",
        Returning = "The agent comes back by a person's order; whoever holds its part gives it up first.",
        RevivalSuppressed = "An agent is dead and the policy says `Never`.",
        PolicyFound = "The policy was found, or none is named and the built-in one applies.",
        PolicyMissing = "The AgentPolicy in `spec.policyRef` does not exist: nothing is started or revived until it does.",
        PolicyInvalid = "The AgentPolicy can't be understood by this operator: nothing is started or revived until it can.",
        Backoff = "The agent died; it is restarted after a wait that doubles with each death in a row.",
        Recreating = "The agent's pod or node was taken away; it is being re-created, which uses no attempt.",
        Replacing = "The agent's spec changed; its pod is being replaced.",
        Restarting = "The wait is over; the dead agent's pod is being replaced by its next incarnation.",
        AttemptsExhausted = "The agent used all its attempts and stays dead until its spec changes.",
        Completed = "The agent ended by itself with exit code 0.",
        Stopped = "The agent was stopped because the mission succeeded.",
        Removed = "The agent is no longer in the spec; its pod is being removed.",
        ImagePull = "The agent's image can't be pulled; a new pod would be no better.",
        ConfigError = "The agent's container can't be made, usually because a Secret, ConfigMap or key is missing.",
        Unschedulable = "No node takes the agent's pod.",
        Terminating = "The previous incarnation is still ending; the next one waits until it is gone.",
        PreviousIncarnation = "A pod of an earlier mission of the same name still runs this agent; the next one waits until it has ended.",
        PodRefused = "The API server refuses the agent's pod: quota, admission or validation.",
        Stale = "The agent's sidecar sees it silent.",
        Busy = "The agent is silent and said that it would be busy; it is left alone for a while.",
        Hung = "The agent's process runs, but its sidecar saw it silent for too long: it is taken for dead.",
        NeverBeat = "The agent's process runs, but was never seen well since it started: it is taken for dead.",
        Stalled = "The agent answers, but its cycle, task and status have not changed for too long: it is taken for dead.",
        LinkLost = "The agent's sidecar does not reach the gateway. Nothing is known, so nothing is done.",
        Silent = "The agent runs elsewhere and was not heard of for too long, though others were: it is taken for dead.",
        GatewayDegraded = "The agent runs elsewhere and is not heard of, but nor is anybody else without a gap: nothing is known, so nothing is done.",
        IsolationEnforced = "Each pod was checked by the API server, and each sidecar found its network closed.",
        IsolationRefused = "What the manifest asks for goes beyond its isolation level, or beyond what the administrators allow: nothing is started with less isolation.",
        IsolationUnavailable = "The cluster can't isolate the agent as its level asks for: it is not started with less.",
        AwaitingReport = "The agent runs elsewhere and has not reported as this incarnation yet: give it its token with `kubectl lazarus token`.",
        AwaitingAdmission = "The agent's sidecar waits for the gateway to admit the agent; it starts then.",
        NetworkNotEnforced = "The cluster does not enforce NetworkPolicies for the agent's pod, or one of the namespace opens what its level closes: it is not started.",
        NodeUncertain = "The agent's node is not well: whether the agent runs is not known, so nothing is done.",
        StormHold = "Many agents are in trouble at once: none is restarted until it calms down.",
        InFlight = "Another dead agent of the mission is on its way back; this one is next.",
        Quarantined = "The object can't be processed; the other missions are not affected.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_serde_writes_them_and_each_has_a_meaning() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert!(reason.meaning().ends_with('.'), "{reason}");
        }
        for condition in RequestCondition::ALL {
            assert_eq!(serde_json::to_value(condition).unwrap(), condition.as_str());
            assert!(condition.meaning().ends_with('.'), "{condition}");
        }
        for condition in ConditionType::ALL {
            assert_eq!(serde_json::to_value(condition).unwrap(), condition.as_str());
            assert!(condition.meaning().ends_with('.'), "{condition}");
        }
    }
}
