//! What may be written: changes to a good object, each with what the API server says to it.

/// Where a row's YAML goes.
#[derive(Clone, Copy, PartialEq)]
pub enum At {
    /// The whole MissionCell.
    Cell,
    /// Its spec.
    Spec,
    /// Its first agent.
    Agent,
    /// The spec of an AgentPolicy.
    Policy,
}
use At::{Agent, Cell, Policy, Spec};

/// Name, place, YAML that is merged in there (null removes), and all the texts that the refusal must have.
pub type Refused = (&'static str, At, &'static str, &'static [&'static str]);

/// What must be refused.
pub const REFUSED: &[Refused] = &[
    // The mission.
    ("no spec", Cell, "spec: null", &["spec: Required value"]),
    ("unknown top-level field", Cell, "sepc: {}", &["unknown field \"sepc\""]),
    (
        "cell name of 31 characters",
        Cell,
        "metadata: {name: a123456789012345678901234567890}",
        &["`metadata.name` must be at most 30 characters"],
    ),
    ("cell name with a dot", Cell, "metadata: {name: night.watch}", &["`metadata.name` must be"]),
    ("cell name that starts with a digit", Cell, "metadata: {name: 1night}", &["`metadata.name` must be"]),
    ("cell name in capitals", Cell, "metadata: {name: Night}", &["metadata.name"]),
    ("no mission", Spec, "mission: null", &["spec.mission: Required value"]),
    ("empty mission", Spec, "mission: ''", &["spec.mission", "at least 1 chars long"]),
    ("mission of two lines", Spec, "mission: \"one\\ntwo\"", &["spec.mission", "should match"]),
    ("mission of 201 characters", Spec, "mission: LONG", &["spec.mission", "Too long"]),
    ("unknown field of the spec", Spec, "agnets: []", &["unknown field \"spec.agnets\""]),
    ("no agents", Spec, "agents: null", &["spec.agents: Required value"]),
    ("empty list of agents", Spec, "agents: []", &["spec.agents", "at least 1 items"]),
    ("agents as text", Spec, "agents: scout", &["spec.agents", "must be of type array"]),
    (
        "two agents of one name",
        Spec,
        "agents: [{name: a, image: x}, {name: a, image: y}]",
        &["spec.agents[1]: Duplicate value", "\"a\""],
    ),
    ("policy reference without a name", Spec, "policyRef: {}", &["spec.policyRef.name: Required value"]),
    ("policy reference as text", Spec, "policyRef: careful", &["spec.policyRef", "must be of type object"]),
    ("policy name in capitals", Spec, "policyRef: {name: Careful}", &["spec.policyRef.name", "should match"]),
    ("policy name with two dots", Spec, "policyRef: {name: a..b}", &["spec.policyRef.name", "should match"]),
    ("policy of another namespace", Spec, "policyRef: {name: a, namespace: b}", &["unknown field \"spec.policyRef.namespace\""]),
    ("revive: yes as text", Spec, "revive: 'yes'", &["spec.revive: Unsupported value: \"yes\"", "\"Always\", \"Never\""]),
    ("revive: true", Spec, "revive: true", &["spec.revive", "must be of type string", "boolean"]),
    ("revive in small letters", Spec, "revive: always", &["spec.revive: Unsupported value", "\"Always\""]),
    (
        "two pull secrets of one name",
        Spec,
        "imagePullSecrets: [{name: a}, {name: a}]",
        &["spec.imagePullSecrets[1]: Duplicate value"],
    ),
    ("17 pull secrets", Spec, "imagePullSecrets: SEVENTEEN", &["spec.imagePullSecrets: Too many"]),
    ("node selector with a number", Spec, "nodeSelector: {disk: 1}", &["spec.nodeSelector.disk", "must be of type string"]),
    ("node selector with a bad key", Spec, "nodeSelector: {'a b': c}", &["spec.nodeSelector", "must be names of labels"]),
    ("node selector with a bad value", Spec, "nodeSelector: {disk: 'a b'}", &["spec.nodeSelector.disk", "should match"]),
    // An agent.
    ("no agent name", Agent, "name: null", &["spec.agents[0].name: Required value"]),
    ("agent name of 21 characters", Agent, "name: a12345678901234567890", &["spec.agents[0].name", "Too long"]),
    ("agent name with an underscore", Agent, "name: a_b", &["spec.agents[0].name", "should match"]),
    ("agent name that starts with a digit", Agent, "name: 1a", &["spec.agents[0].name", "should match"]),
    ("no image", Agent, "image: null", &["spec.agents[0].image: Required value"]),
    ("empty image", Agent, "image: ''", &["spec.agents[0].image", "at least 1 chars long"]),
    ("image with a space", Agent, "image: 'a b'", &["spec.agents[0].image", "should match"]),
    ("unknown field of an agent", Agent, "imgae: x", &["unknown field \"spec.agents[0].imgae\""]),
    (
        "a Pod's field that is not offered",
        Agent,
        "securityContext: {privileged: true}",
        &["unknown field \"spec.agents[0].securityContext\""],
    ),
    (
        "unknown role",
        Agent,
        "role: Chief",
        &["spec.agents[0].role: Unsupported value: \"Chief\"", "\"Lead\", \"Write\", \"Read\", \"Audit\""],
    ),
    ("unknown completion", Agent, "completion: Sometimes", &["spec.agents[0].completion: Unsupported value", "\"Service\""]),
    ("agent's revive: no as text", Agent, "revive: 'no'", &["spec.agents[0].revive: Unsupported value: \"no\""]),
    ("command as one text", Agent, "command: sleep 5", &["spec.agents[0].command", "must be of type array"]),
    ("number as an argument", Agent, "args: [5]", &["spec.agents[0].args[0]", "must be of type string"]),
    ("relative working directory", Agent, "workingDir: tmp", &["spec.agents[0].workingDir", "should match '^/'"]),
    (
        "negative grace period",
        Agent,
        "terminationGracePeriodSeconds: -1",
        &["spec.agents[0].terminationGracePeriodSeconds", "greater than or equal to 0"],
    ),
    (
        "grace period above an hour",
        Agent,
        "terminationGracePeriodSeconds: 3601",
        &["spec.agents[0].terminationGracePeriodSeconds", "less than or equal to 3600"],
    ),
    (
        "grace period as text",
        Agent,
        "terminationGracePeriodSeconds: 30s",
        &["spec.agents[0].terminationGracePeriodSeconds", "must be of type integer"],
    ),
    ("runtime class with a slash", Agent, "runtimeClassName: a/b", &["spec.agents[0].runtimeClassName", "should match"]),
    // Its environment and files.
    ("variable without a name", Agent, "env: [{value: a}]", &["spec.agents[0].env[0].name: Required value"]),
    (
        "variable of the operator",
        Agent,
        "env: [{name: LAZARUS_ROLE, value: Lead}]",
        &["spec.agents[0].env[0]", "`name` must not start with LAZARUS_"],
    ),
    ("variable name with =", Agent, "env: [{name: A=B}]", &["spec.agents[0].env[0].name", "should match"]),
    ("variable with a number", Agent, "env: [{name: A, value: 1}]", &["spec.agents[0].env[0].value", "must be of type string"]),
    (
        "variable with two values",
        Agent,
        "env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
        &["spec.agents[0].env[0]", "set either `value` or `valueFrom`"],
    ),
    (
        "variable with two sources",
        Agent,
        "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}, configMapKeyRef: {name: s, key: k}}}]",
        &["spec.agents[0].env[0].valueFrom", "exactly one of `secretKeyRef` and `configMapKeyRef`"],
    ),
    ("variable without source", Agent, "env: [{name: A, valueFrom: {}}]", &["spec.agents[0].env[0].valueFrom", "exactly one"]),
    (
        "secret without a key",
        Agent,
        "env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]",
        &["spec.agents[0].env[0].valueFrom.secretKeyRef.key: Required value"],
    ),
    (
        "secret key with a slash",
        Agent,
        "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a/b}}}]",
        &["secretKeyRef.key", "should match"],
    ),
    (
        "a source that is not offered",
        Agent,
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
        &["unknown field", "valueFrom.fieldRef"],
    ),
    ("a variable twice", Agent, "env: [{name: A}, {name: A}]", &["spec.agents[0].env[1]: Duplicate value"]),
    ("129 variables", Agent, "env: MANY", &["spec.agents[0].env: Too many"]),
    (
        "files without a place",
        Agent,
        "configFiles: [{configMap: a}]",
        &["spec.agents[0].configFiles[0].mountPath: Required value"],
    ),
    (
        "files at a relative path",
        Agent,
        "configFiles: [{configMap: a, mountPath: etc}]",
        &["spec.agents[0].configFiles[0].mountPath", "should match"],
    ),
    (
        "files over the root",
        Agent,
        "configFiles: [{configMap: a, mountPath: /}]",
        &["spec.agents[0].configFiles[0].mountPath", "at least 2 chars long"],
    ),
    (
        "files at a path with a colon",
        Agent,
        "configFiles: [{configMap: a, mountPath: '/a:b'}]",
        &["spec.agents[0].configFiles[0].mountPath", "should match"],
    ),
    (
        "two files at one place",
        Agent,
        "configFiles: [{configMap: a, mountPath: /a}, {configMap: b, mountPath: /a}]",
        &["spec.agents[0].configFiles[1]: Duplicate value"],
    ),
    // Its resources and ports.
    (
        "amount that is none",
        Agent,
        "resources: {requests: {cpu: lots}}",
        &["spec.agents[0].resources.requests.cpu", "should match"],
    ),
    (
        "amount with a bad unit",
        Agent,
        "resources: {limits: {memory: 1GB}}",
        &["spec.agents[0].resources.limits.memory", "should match"],
    ),
    (
        "negative amount",
        Agent,
        "resources: {limits: {memory: -1Gi}}",
        &["spec.agents[0].resources.limits.memory", "should match"],
    ),
    (
        "negative number",
        Agent,
        "resources: {limits: {cpu: -1}}",
        &["spec.agents[0].resources.limits.cpu", "greater than or equal to 0"],
    ),
    (
        "fraction without quotes",
        Agent,
        "resources: {limits: {cpu: 0.5}}",
        &["spec.agents[0].resources.limits.cpu", "must be of type integer,string"],
    ),
    (
        "amount with a huge exponent",
        Agent,
        "resources: {limits: {cpu: 1e999}}",
        &["spec.agents[0].resources.limits.cpu", "should match"],
    ),
    (
        "request above its limit",
        Agent,
        "resources: {requests: {memory: 1Gi}, limits: {memory: 512Mi}}",
        &["spec.agents[0].resources", "no amount in `requests` may be greater", "raise the limit"],
    ),
    (
        "request above its limit in other units",
        Agent,
        "resources: {requests: {cpu: 2}, limits: {cpu: 1999m}}",
        &["spec.agents[0].resources", "lower the request"],
    ),
    (
        "port 0",
        Agent,
        "ports: [{name: a, containerPort: 0}]",
        &["spec.agents[0].ports[0].containerPort", "greater than or equal to 1"],
    ),
    (
        "port 65536",
        Agent,
        "ports: [{name: a, containerPort: 65536}]",
        &["spec.agents[0].ports[0].containerPort", "less than or equal to 65535"],
    ),
    ("port without a name", Agent, "ports: [{containerPort: 80}]", &["spec.agents[0].ports[0].name: Required value"]),
    ("port name of digits", Agent, "ports: [{name: '80', containerPort: 80}]", &["spec.agents[0].ports[0].name", "should match"]),
    (
        "port name of 16 characters",
        Agent,
        "ports: [{name: a234567890123456, containerPort: 80}]",
        &["spec.agents[0].ports[0].name", "Too long"],
    ),
    (
        "unknown protocol",
        Agent,
        "ports: [{name: a, containerPort: 80, protocol: HTTP}]",
        &["spec.agents[0].ports[0].protocol: Unsupported value", "\"TCP\", \"UDP\""],
    ),
    // A policy.
    ("unknown field of a policy", Policy, "restarts: {}", &["unknown field \"spec.restarts\""]),
    ("policy with revive: Ask", Policy, "revive: Ask", &["spec.revive: Unsupported value: \"Ask\""]),
    ("negative attempts", Policy, "restart: {maxAttempts: -1}", &["spec.restart.maxAttempts", "greater than or equal to 0"]),
    ("101 attempts", Policy, "restart: {maxAttempts: 101}", &["spec.restart.maxAttempts", "less than or equal to 100"]),
    ("negative seconds", Policy, "restart: {backoffSeconds: -5}", &["spec.restart.backoffSeconds", "greater than or equal to 1"]),
    ("seconds as text", Policy, "restart: {backoffSeconds: 5s}", &["spec.restart.backoffSeconds", "must be of type integer"]),
    (
        "longest wait of no time",
        Policy,
        "restart: {maxBackoffSeconds: 0}",
        &["spec.restart.maxBackoffSeconds", "greater than or equal to 1"],
    ),
    (
        "reset after more than a week",
        Policy,
        "restart: {resetAfterSeconds: 604801}",
        &["spec.restart.resetAfterSeconds", "less than or equal to 604800"],
    ),
    (
        "wait above the longest one",
        Policy,
        "restart: {backoffSeconds: 60, maxBackoffSeconds: 30}",
        &["spec.restart", "`backoffSeconds` must not be greater than `maxBackoffSeconds`"],
    ),
];

/// What must be accepted, and stay as it is: name, place, YAML.
pub const ACCEPTED: &[(&str, At, &str)] = &[
    ("the least", Spec, "{}"),
    ("cell name of 30 characters", Cell, "metadata: {name: a12345678901234567890123456789}"),
    ("agent name of 20 characters", Agent, "name: a1234567890123456789"),
    ("mission in other scripts", Spec, "mission: Die Brücke überwachen — 橋を見守る"),
    ("nulls that a template left behind", Spec, "{policyRef: ~, revive: ~}"),
    (
        "every role",
        Spec,
        "agents: [{name: a, image: x, role: Lead}, {name: b, image: x, role: Write}, {name: c, image: x, role: Read}, {name: d, image: x, role: Audit}]",
    ),
    (
        "every completion",
        Spec,
        "agents: [{name: a, image: x, completion: Required}, {name: b, image: x, completion: Optional}, {name: c, image: x, completion: Service}]",
    ),
    (
        "image by digest",
        Agent,
        "image: registry.example:5000/agents/scout:1.2@sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
    ),
    (
        "amounts as numbers and text",
        Agent,
        "resources: {requests: {cpu: 1, memory: 64Mi, nvidia.com/gpu: 2}, limits: {cpu: '1.5', memory: '1e9', nvidia.com/gpu: '2'}}",
    ),
    ("request equal to its limit in other units", Agent, "resources: {requests: {cpu: 1000m}, limits: {cpu: 1}}"),
    ("request without a limit", Agent, "resources: {requests: {cpu: 2}, limits: {memory: 1Gi}}"),
    ("empty command, arguments and lists", Agent, "{command: [], args: [], env: [], ports: [], configFiles: [], resources: {}}"),
    ("variable without a value", Agent, "env: [{name: EMPTY}]"),
    ("variable near the operator's", Agent, "env: [{name: MY_LAZARUS_PIT, value: x}, {name: lazarus_x, value: y}]"),
    ("no time to end", Agent, "terminationGracePeriodSeconds: 0"),
    (
        "one port number for two protocols",
        Agent,
        "ports: [{name: a, containerPort: 53}, {name: b, containerPort: 53, protocol: UDP}]",
    ),
    ("node selector", Spec, "nodeSelector: {kubernetes.io/arch: amd64, empty: ''}"),
    ("an empty policy", Policy, "{}"),
    ("a policy without restarts", Policy, "{revive: Never, restart: {maxAttempts: 0}}"),
    ("a wait equal to the longest one", Policy, "restart: {backoffSeconds: 60, maxBackoffSeconds: 60}"),
    ("a wait alone, above the operator's longest", Policy, "restart: {backoffSeconds: 86400}"),
];
