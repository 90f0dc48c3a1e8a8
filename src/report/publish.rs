//! Sends Events.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter};

use super::event::Event;
use super::metrics::{Kind, Verb};
use crate::api::names;
use crate::apply::guard::{Guarded, WriteError};

/// Sends Events as the operator.
#[derive(Clone)]
pub struct Publisher {
    guarded: Guarded,
    recorder: Recorder,
}

impl Publisher {
    /// Sends through `guarded`; `instance` is the replica's name.
    #[must_use]
    pub fn new(guarded: Guarded, instance: &str) -> Self {
        let reporter = Reporter { controller: names::OPERATOR.into(), instance: Some(instance.into()) };
        let recorder = Recorder::new(guarded.reader().clone(), reporter);
        Self { guarded, recorder }
    }

    /// Sends Events about an object. A failure is logged and nothing else: status has it all, Events are a courtesy.
    pub async fn publish(&self, object: &ObjectReference, events: Vec<Event>) {
        for Event { reason, warning, note, pod } in events {
            let secondary = pod.map(|(name, uid)| ObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                namespace: object.namespace.clone(),
                name: Some(name),
                uid: Some(uid),
                ..ObjectReference::default()
            });
            let event = KubeEvent {
                type_: if warning { EventType::Warning } else { EventType::Normal },
                reason: reason.into(),
                // The API server takes at most 1024 bytes.
                note: Some(note.chars().take(250).collect()),
                action: reason.into(),
                secondary,
            };
            let sent = self.guarded.write(Verb::Create, Kind::Event, self.recorder.publish(&event, object)).await;
            if let Err(error) = sent {
                tracing::debug!(%error, reason, "cannot send an Event");
                // Nobody answers: the rest would only hold up the missions.
                if let WriteError::TimedOut { .. } = error {
                    return;
                }
            }
        }
    }
}

/// The Event of an object that can't be processed.
#[must_use]
pub fn quarantined(message: &str) -> Event {
    Event { reason: "Quarantined", warning: true, note: message.into(), pod: None }
}
