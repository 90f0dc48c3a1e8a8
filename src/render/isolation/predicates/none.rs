//! What no pod of an agent is without: its place in the cluster, and what it may reach there.

use super::Predicate;
use crate::api::Isolation;

const fn always(name: &'static str, meaning: &'static str, cel: &'static str) -> Predicate {
    Predicate { name, from: Isolation::None, meaning, cel }
}

pub(super) const ADDED: [Predicate; 18] = [
    always(
        "only-its-containers",
        "the pod runs the container `agent` and the sidecar `pulse`, and no others",
        "variables.agents.map(c, c.name) == ['agent'] && variables.sidecars.map(c, c.name) == ['pulse']",
    ),
    always(
        "no-ephemeral-containers",
        "nobody debugs in the pod with containers of their own",
        "size(object.spec.?ephemeralContainers.orValue([])) == 0",
    ),
    always(
        "never-restarted",
        "whether a dead agent comes back is not the kubelet's to decide",
        "object.spec.?restartPolicy.orValue('Always') == 'Never' && \
         variables.agents.all(c, !c.?restartPolicy.hasValue() && !c.?restartPolicyRules.hasValue())",
    ),
    always(
        "no-api-token",
        "no token for the API server is mounted",
        "object.spec.?automountServiceAccountToken.orValue(true) == false",
    ),
    always(
        "gateway-token-only",
        "the only token in the pod is one for the gateway, in the volume `lazarus-gateway`",
        "variables.volumes.all(v, v.?projected.?sources.orValue([]).all(s, !s.?serviceAccountToken.hasValue() || \
         v.name == 'lazarus-gateway' && s.serviceAccountToken.?audience.orValue('') == 'lazarus-gateway'))",
    ),
    always(
        "token-in-the-sidecar-only",
        "the agent does not see the volume with the gateway's token",
        "variables.agents.all(c, c.?volumeMounts.orValue([]).all(m, m.name != 'lazarus-gateway'))",
    ),
    always(
        "no-certificates",
        "no certificate is issued to the pod",
        "variables.volumes.all(v, v.?projected.?sources.orValue([]).all(s, !s.?podCertificate.hasValue()))",
    ),
    always(
        "default-account",
        "the pod runs under its namespace's ServiceAccount `default`",
        "object.spec.?serviceAccountName.orValue('') in ['', 'default'] && object.spec.?serviceAccount.orValue('') in ['', 'default']",
    ),
    always(
        "no-service-links",
        "the environment does not tell of the namespace's Services",
        "object.spec.?enableServiceLinks.orValue(true) == false",
    ),
    always(
        "volume-kinds",
        "volumes are projected, of ConfigMaps, empty directories or claims, so never of the node (`hostPath`)",
        "variables.volumes.all(v, v.?projected.hasValue() || v.?configMap.hasValue() || v.?emptyDir.hasValue() || \
         v.?persistentVolumeClaim.hasValue())",
    ),
    always(
        "own-claim",
        "the only claim in the pod is the workspace of its own mission",
        "variables.volumes.all(v, !v.?persistentVolumeClaim.hasValue() || v.name == 'workspace' && \
         v.persistentVolumeClaim.claimName == object.metadata.labels['lazarus-pit.io/cell'] + '-workspace')",
    ),
    always(
        "workspace",
        "the agent, and not the sidecar, has the volume `workspace`, at /workspace or below",
        "variables.volumes.exists_one(v, v.name == 'workspace' && (v.?emptyDir.hasValue() || v.?persistentVolumeClaim.hasValue())) && \
         variables.agents.all(c, c.?volumeMounts.orValue([]).exists(m, m.name == 'workspace') && \
         c.?volumeMounts.orValue([]).all(m, m.name != 'workspace' || (m.mountPath + '/').startsWith('/workspace/'))) && \
         variables.sidecars.all(c, c.?volumeMounts.orValue([]).all(m, m.name != 'workspace'))",
    ),
    always(
        "no-devices",
        "the pod has no ResourceClaims and no raw volumes; devices that plugins offer as resources are not looked at",
        "size(object.spec.?resourceClaims.orValue([])) == 0 && (variables.agents + variables.sidecars).all(c, \
         size(c.?resources.?claims.orValue([])) == 0 && size(c.?volumeDevices.orValue([])) == 0)",
    ),
    always("no-chosen-node", "the scheduler finds the node; nobody names it", "object.spec.?nodeName.orValue('') == ''"),
    always(
        "no-tolerations",
        "the pod tolerates only what the cluster itself adds: a node that is not ready, unreachable or short of memory",
        "object.spec.?tolerations.orValue([]).all(t, t.?key.orValue('') in ['node.kubernetes.io/not-ready', \
         'node.kubernetes.io/unreachable', 'node.kubernetes.io/memory-pressure'])",
    ),
    always(
        "no-system-priority",
        "the pod never displaces what the cluster itself needs",
        "object.spec.?priority.orValue(0) < 1000000000 && !object.spec.?priorityClassName.orValue('').startsWith('system-')",
    ),
    always(
        "no-probing",
        "no probe and no hook has the kubelet connect anywhere",
        "(variables.agents + variables.sidecars).all(c, [c.?livenessProbe.orValue({}), c.?readinessProbe.orValue({}), \
         c.?startupProbe.orValue({}), c.?lifecycle.?postStart.orValue({}), c.?lifecycle.?preStop.orValue({})].all(p, \
         !('httpGet' in p) && !('tcpSocket' in p) && !('grpc' in p)))",
    ),
    always(
        "processor-and-memory-limits",
        "every container has a limit on processor and memory",
        "(variables.agents + variables.sidecars).all(c, c.?resources.?limits.?cpu.orValue('0') != '0' && \
         c.?resources.?limits.?memory.orValue('0') != '0')",
    ),
];
