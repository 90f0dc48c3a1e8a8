//! Manifests as people write them, at random but always the same.

use lazarus::api::{AgentSpec, EgressProxy, Isolation, MissionCellSpec};
use lazarus::observe::Cell;
use lazarus::render::{self, Frame};
use serde_json::{Value, json};

/// Numbers that look like chance (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number below this.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }

    /// Sets the field every other time.
    fn maybe(&mut self, object: &mut Value, field: &str, value: impl FnOnce(&mut Self) -> Value) {
        if self.below(2) == 0 {
            object[field] = value(self);
        }
    }
}

/// A mission, and one of its agents by its place.
pub struct Manifest {
    pub cell: Cell,
    pub agent: usize,
    pub proxy: Option<EgressProxy>,
}

impl Manifest {
    /// One that may have the level `highest`: what that refuses it does not say.
    pub fn new(dice: &mut Dice, highest: Isolation) -> Self {
        let count = 1 + dice.below(4);
        let agents: Vec<_> = (0..count).map(|number| agent(dice, number, count, highest)).collect();
        let mut spec = json!({"mission": "random", "agents": agents});
        dice.maybe(&mut spec, "workspace", |dice| {
            let mut workspace = json!({"size": dice.one(&["1Gi", "5Gi", "1Ti"])});
            dice.maybe(&mut workspace, "accessMode", |dice| json!(dice.one(&["ReadWriteOnce", "ReadWriteMany"])));
            dice.maybe(&mut workspace, "storageClassName", |_| json!("standard"));
            workspace
        });
        dice.maybe(&mut spec, "imagePullSecrets", |_| json!([{"name": "registry"}]));
        dice.maybe(&mut spec, "nodeSelector", |_| json!({"disk": "fast"}));
        let spec: MissionCellSpec = serde_json::from_value(spec).unwrap();
        let cell = Cell {
            name: dice.one(&["one", "a", "night-watch", "m0-1"]).into(),
            namespace: "missions".into(),
            uid: format!("{:08x}-0000-4000-8000-{:012x}", dice.below(1 << 32), dice.below(1 << 48)),
            generation: 1,
            deleting: false,
            spec,
            status: lazarus::api::MissionCellStatus::default(),
        };
        let proxy = (dice.below(2) == 0).then(|| EgressProxy { url: "http://192.0.2.7:3128".into(), ..EgressProxy::default() });
        Self { cell, agent: usize::try_from(dice.below(count)).unwrap(), proxy }
    }

    /// The pod that the operator makes of it.
    pub fn pod(&self, level: Isolation) -> Value {
        let frame = Frame { level, pulse_image: "lazarus-pit:dev", network_check_seconds: 300, proxy: self.proxy.as_ref() };
        let agent: &AgentSpec = &self.cell.spec.agents[self.agent];
        serde_json::to_value(render::pod(&self.cell, agent, 1, frame)).unwrap()
    }
}

fn agent(dice: &mut Dice, number: u64, count: u64, highest: Isolation) -> Value {
    let digest = "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    let name = dice.one(&["a", "worker", "agents", "shared"]);
    let mut agent = json!({"name": format!("{name}{number}"), "image": format!("registry.invalid/agent@{digest}")});
    if highest < Isolation::Level2 {
        dice.maybe(&mut agent, "image", |dice| json!(dice.one(&["agent", "registry.invalid:5000/agent:latest"])));
    }
    dice.maybe(&mut agent, "role", |dice| json!(dice.one(&["Lead", "Write", "Read", "Audit"])));
    dice.maybe(&mut agent, "command", |dice| json!([dice.one(&["/bin/sh", "sleep"]), "-c", "true"]));
    dice.maybe(&mut agent, "args", |_| json!(["--all"]));
    dice.maybe(&mut agent, "workingDir", |dice| json!(dice.one(&["/", "/workspace", "/tmp", "/root"])));
    dice.maybe(&mut agent, "env", |dice| variables(dice, highest));
    dice.maybe(&mut agent, "configFiles", |_| json!([{"configMap": "settings", "mountPath": "/etc/settings"}]));
    dice.maybe(&mut agent, "resources", resources);
    dice.maybe(
        &mut agent,
        "ports",
        |_| json!([{"name": "http", "containerPort": 80}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}]),
    );
    dice.maybe(&mut agent, "terminationGracePeriodSeconds", |dice| json!(dice.below(3601)));
    dice.maybe(&mut agent, "heartbeat", |_| json!({"source": "Http", "http": {"port": 80}}));
    dice.maybe(&mut agent, "standby", |_| json!(number + 1 == count && number > 0));
    agent
}

fn variables(dice: &mut Dice, highest: Isolation) -> Value {
    let mut variables = vec![
        json!({"name": "MODE", "value": dice.one(&["", "Lead", "LAZARUS_ROLE"])}),
        json!({"name": "HOME", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "home"}}}),
    ];
    if highest < Isolation::Level3 {
        variables
            .push(json!({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "model", "key": "token", "optional": true}}}));
    }
    json!(variables)
}

fn resources(dice: &mut Dice) -> Value {
    let mut resources = json!({});
    for side in ["requests", "limits"] {
        // What is asked for is never more than the limit.
        let (cpu, size) = if side == "requests" { ("100m", "128Mi") } else { ("3", "4Gi") };
        dice.maybe(&mut resources, side, |dice| {
            let mut amounts = json!({});
            dice.maybe(&mut amounts, "cpu", |_| json!(cpu));
            dice.maybe(&mut amounts, "memory", |_| json!(size));
            dice.maybe(&mut amounts, "ephemeral-storage", |_| json!(size));
            amounts
        });
    }
    resources
}
