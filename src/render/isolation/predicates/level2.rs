//! Mount namespace: nothing to write but what is meant for it, nothing to read of others, no names of the cluster.

use super::Predicate;
use crate::api::Isolation;

const fn level2(name: &'static str, meaning: &'static str, cel: &'static str) -> Predicate {
    Predicate { name, from: Isolation::Level2, meaning, cel }
}

pub(super) const ADDED: [Predicate; 6] = [
    level2(
        "read-only-root",
        "no container writes to its image's files",
        "(variables.agents + variables.sidecars).all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false))",
    ),
    level2(
        "own-tmp",
        "the agent's /tmp is an empty directory of its own",
        "variables.volumes.exists_one(v, v.name == 'tmp' && v.?emptyDir.hasValue()) && variables.agents.all(c, \
         c.?volumeMounts.orValue([]).exists_one(m, m.name == 'tmp' && m.mountPath == '/tmp'))",
    ),
    level2(
        "own-directory",
        "of /workspace/agents the agent sees one directory, its own or that of the agent whose part it plays",
        "variables.agents.all(c, c.?volumeMounts.orValue([]).filter(m, m.name == 'workspace' && \
         m.?subPath.orValue('') != 'shared').map(m, m.?subPath.orValue('').matches('^agents/[a-z]([-a-z0-9]*[a-z0-9])?$')) == [true])",
    ),
    level2(
        "shared-read-only",
        "what the agents share is read-only all the way down, but for an agent whose role is Lead",
        "variables.agents.all(c, c.?env.orValue([]).exists(e, e.name == 'LAZARUS_ROLE' && e.?value.orValue('') == 'Lead') || \
         c.?volumeMounts.orValue([]).all(m, m.name != 'workspace' || m.?subPath.orValue('') != 'shared' || \
         m.?readOnly.orValue(false) && m.?recursiveReadOnly.orValue('') == 'Enabled'))",
    ),
    level2(
        "no-cluster-names",
        "the pod asks no name server of the cluster",
        "object.spec.?dnsPolicy.orValue('ClusterFirst') == 'None' && \
         object.spec.?dnsConfig.?nameservers.orValue([]) == ['127.0.0.1'] && \
         size(object.spec.?dnsConfig.?searches.orValue([])) == 0 && size(object.spec.?dnsConfig.?options.orValue([])) == 0",
    ),
    level2(
        "pinned-image",
        "the agent's image is named by its digest, so that a revived agent is the same program",
        "variables.agents.all(c, c.?image.orValue('').contains('@sha256:'))",
    ),
];
