//! What no pod of an agent is without: its place on the node, and what its processes may do there.

use super::Predicate;
use crate::api::Isolation;

const fn always(name: &'static str, meaning: &'static str, cel: &'static str) -> Predicate {
    Predicate { name, from: Isolation::None, meaning, cel }
}

pub(super) const ADDED: [Predicate; 11] = [
    always(
        "own-namespaces",
        "the pod has a network, processes and IPC of its own, not the node's",
        "!object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)",
    ),
    always(
        "own-processes",
        "the agent and the sidecar don't see each other's processes",
        "!object.spec.?shareProcessNamespace.orValue(false)",
    ),
    always(
        "no-host-ports",
        "no port of the node leads to the pod",
        "(variables.agents + variables.sidecars).all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))",
    ),
    always(
        "unprivileged",
        "no container is privileged",
        "(variables.agents + variables.sidecars).all(c, !c.?securityContext.?privileged.orValue(false))",
    ),
    always(
        "no-added-capabilities",
        "no container has more capabilities than the runtime's default",
        "(variables.agents + variables.sidecars).all(c, size(c.?securityContext.?capabilities.?add.orValue([])) == 0)",
    ),
    always(
        "seccomp",
        "system calls are filtered by the runtime's default profile, in every container",
        "object.spec.?securityContext.?seccompProfile.?type.orValue('') == 'RuntimeDefault' && \
         (variables.agents + variables.sidecars).all(c, !c.?securityContext.?seccompProfile.hasValue())",
    ),
    always(
        "apparmor",
        "AppArmor is never turned off, where the node has it",
        "object.spec.?securityContext.?appArmorProfile.?type.orValue('') != 'Unconfined' && (variables.agents + variables.sidecars).all(c, \
         c.?securityContext.?appArmorProfile.?type.orValue('') != 'Unconfined') && object.metadata.?annotations.orValue({}).all(key, \
         !key.startsWith('container.apparmor.security.beta.kubernetes.io/') || object.metadata.annotations[key] != 'unconfined')",
    ),
    always(
        "no-selinux-options",
        "SELinux labels are left to the node",
        "!object.spec.?securityContext.?seLinuxOptions.hasValue() && \
         (variables.agents + variables.sidecars).all(c, !c.?securityContext.?seLinuxOptions.hasValue())",
    ),
    always(
        "masked-proc",
        "what the runtime hides of /proc stays hidden",
        "(variables.agents + variables.sidecars).all(c, c.?securityContext.?procMount.orValue('Default') == 'Default')",
    ),
    always("no-sysctls", "no parameter of the kernel is set", "size(object.spec.?securityContext.?sysctls.orValue([])) == 0"),
    always(
        "no-windows-options",
        "the pod is for Linux, and has no options for Windows",
        "object.spec.?os.?name.orValue('linux') == 'linux' && !object.spec.?securityContext.?windowsOptions.hasValue() && \
         (variables.agents + variables.sidecars).all(c, !c.?securityContext.?windowsOptions.hasValue())",
    ),
];
