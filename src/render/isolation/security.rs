//! Who the processes of an agent's pod are, and what they may ask of the kernel.

use k8s_openapi::api::core::v1::{Capabilities, PodDNSConfig, PodSecurityContext, SeccompProfile, SecurityContext};
use sha2::{Digest, Sha256};

use crate::api::Isolation;

/// The first and the last user id that missions get. With a user namespace of its own a pod has 65536 ids, and one beyond them
/// is not mapped: its sandbox fails (KEP-127).
const USERS: std::ops::RangeInclusive<i64> = 10_000..=65_000;

/// The user, and group, that all agents of a mission are.
fn user(cell_uid: &str) -> i64 {
    let digest = Sha256::digest(cell_uid.as_bytes());
    let number = digest.iter().take(4).fold(0, |number, byte| number << 8 | i64::from(*byte));
    USERS.start() + number % (USERS.end() - USERS.start() + 1)
}

/// What holds for every process of the pod.
pub(in crate::render) fn pod_security(cell_uid: &str, level: Isolation) -> PodSecurityContext {
    let user = (level >= Isolation::Level1).then(|| user(cell_uid));
    PodSecurityContext {
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        run_as_non_root: user.map(|_| true),
        run_as_user: user,
        run_as_group: user,
        fs_group: user,
        // A volume may be large: what already is the group's is left as it is.
        fs_group_change_policy: user.map(|_| "OnRootMismatch".into()),
        // Else the groups that the image's /etc/group gives its user come along (KEP-3619).
        supplemental_groups_policy: user.map(|_| "Strict".into()),
        ..PodSecurityContext::default()
    }
}

/// What holds for the agent's own processes.
pub(in crate::render) fn container_security(level: Isolation) -> Option<SecurityContext> {
    (level >= Isolation::Level1).then(|| SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Capabilities::default() }),
        read_only_root_filesystem: (level >= Isolation::Level2).then_some(true),
        ..SecurityContext::default()
    })
}

/// From Level2 on there are no names: the API server asks for a name server, and at this address nobody listens.
pub(in crate::render) fn dns(level: Isolation) -> Option<PodDNSConfig> {
    (level >= Isolation::Level2).then(|| PodDNSConfig { nameservers: Some(vec!["127.0.0.1".into()]), ..PodDNSConfig::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missions_have_users_of_their_own_within_what_a_user_namespace_maps() {
        let users: std::collections::BTreeSet<_> = (0..1000).map(|number| user(&format!("uid-{number}"))).collect();
        assert!(users.len() > 980, "{} users of 1000 missions", users.len());
        assert!(users.iter().all(|user| USERS.contains(user)));
        assert_eq!(user("uid"), user("uid"));
    }
}
