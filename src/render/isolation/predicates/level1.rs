//! Directory workspace: an unprivileged user without capabilities, and nothing without bounds.

use super::Predicate;
use crate::api::Isolation;

const fn level1(name: &'static str, meaning: &'static str, cel: &'static str) -> Predicate {
    Predicate { name, from: Isolation::Level1, meaning, cel }
}

pub(super) const ADDED: [Predicate; 10] = [
    level1(
        "not-root",
        "the kubelet refuses to start a container as root",
        "object.spec.?securityContext.?runAsNonRoot.orValue(false) && \
         (variables.agents + variables.sidecars).all(c, c.?securityContext.?runAsNonRoot.orValue(true))",
    ),
    // A user beyond 65535 has no place in a user namespace, which a higher level needs.
    level1(
        "user-of-its-mission",
        "user, group and the group of volumes are one number from 10000 to 65000, made from the mission's UID",
        "object.spec.?securityContext.?runAsUser.orValue(0) >= 10000 && object.spec.securityContext.runAsUser <= 65000 && \
         object.spec.securityContext.?runAsGroup.orValue(0) == object.spec.securityContext.runAsUser && \
         object.spec.securityContext.?fsGroup.orValue(0) == object.spec.securityContext.runAsUser",
    ),
    level1(
        "no-other-user",
        "the agent runs as that user; only the sidecar has one of its own, 65532",
        "variables.agents.all(c, !c.?securityContext.?runAsUser.hasValue() && !c.?securityContext.?runAsGroup.hasValue()) && \
         variables.sidecars.all(c, c.?securityContext.?runAsUser.orValue(0) == 65532 && \
         c.?securityContext.?runAsGroup.orValue(0) == 65532)",
    ),
    level1(
        "no-other-groups",
        "processes are in no other group, whatever the image's /etc/group says",
        "object.spec.?securityContext.?supplementalGroupsPolicy.orValue('Merge') == 'Strict' && \
         size(object.spec.?securityContext.?supplementalGroups.orValue([])) == 0",
    ),
    level1(
        "group-changed-once",
        "the files of a volume are given to the group once, not at each start",
        "object.spec.?securityContext.?fsGroupChangePolicy.orValue('Always') == 'OnRootMismatch'",
    ),
    level1(
        "no-escalation",
        "no process gains rights that its parent lacks",
        "(variables.agents + variables.sidecars).all(c, c.?securityContext.?allowPrivilegeEscalation.orValue(true) == false)",
    ),
    level1(
        "no-capabilities",
        "every container drops all capabilities",
        "(variables.agents + variables.sidecars).all(c, 'ALL' in c.?securityContext.?capabilities.?drop.orValue([]))",
    ),
    level1(
        "disk-limits",
        "every container has a limit on what it writes to the node's disk",
        "(variables.agents + variables.sidecars).all(c, c.?resources.?limits[?'ephemeral-storage'].orValue('0') != '0')",
    ),
    level1(
        "bounded-directories",
        "every empty directory has a limit on its size",
        "variables.volumes.all(v, !v.?emptyDir.hasValue() || v.emptyDir.?sizeLimit.orValue('0') != '0')",
    ),
    level1(
        "workspace-directories",
        "of the workspace the agent sees the directories `agents` and `shared`, not the whole",
        "variables.agents.all(c, c.?volumeMounts.orValue([]).all(m, m.name != 'workspace' || \
         (m.?subPath.orValue('') in ['agents', 'shared'] || m.?subPath.orValue('').startsWith('agents/')) && m.mountPath == '/workspace/' + m.subPath))",
    ),
];
