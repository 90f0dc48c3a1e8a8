//! Which addresses a mission may declare as ways out of the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::isolation::{Egress, Isolation};

/// Addresses that no mission may declare, as they lead into the cluster, to its nodes or to the provider's own services, or are
/// not of one place: private, shared, link-local, loopback, multicast and reserved ones (the special-purpose registries of
/// RFC 6890), and those that carry an IPv4 address, behind which any of the others may be.
const PRIVATE: [IpNet; 24] = [
    four([0, 0, 0, 0], 8),
    four([10, 0, 0, 0], 8),
    four([100, 64, 0, 0], 10),
    four([127, 0, 0, 0], 8),
    // A provider's address for its machines' agents, though it is a public one.
    four([168, 63, 129, 16], 32),
    four([169, 254, 0, 0], 16),
    four([172, 16, 0, 0], 12),
    four([192, 0, 0, 0], 24),
    four([192, 168, 0, 0], 16),
    four([198, 18, 0, 0], 15),
    four([224, 0, 0, 0], 4),
    four([240, 0, 0, 0], 4),
    // Unspecified, loopback, and IPv4 in an old form.
    six([0, 0, 0, 0, 0, 0, 0, 0], 96),
    six([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    six([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    six([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    six([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    six([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    six([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
    six([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    six([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    six([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    six([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    six([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

const fn four(octets: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), length))
}

const fn six(segments: [u16; 8], length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), length))
}

/// A range of addresses without the private ones in it, as a NetworkPolicy writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The range.
    pub range: IpNet,
    /// What is left out of it: each is a part of it, and never the whole.
    pub except: Vec<IpNet>,
}

impl Block {
    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: &IpAddr) -> bool {
        self.range.contains(address) && !self.except.iter().any(|except| except.contains(address))
    }
}

/// Whether no mission may declare the address.
#[must_use]
pub fn is_private(address: &IpAddr) -> bool {
    PRIVATE.iter().any(|range| range.contains(address))
}

/// What a declared range leads to; `None`: nowhere, as all of it is private or it is no range at all.
#[must_use]
pub fn public(cidr: &str) -> Option<Block> {
    let range = cidr.parse::<IpNet>().ok()?.trunc();
    if PRIVATE.iter().any(|private| private.contains(&range)) {
        return None;
    }
    let except: Vec<_> = PRIVATE.into_iter().filter(|private| range.contains(private)).collect();
    // Private ranges that lie side by side may fill it together.
    let rest = except.iter().map(size).fold(size(&range), |rest, taken| rest.and_then(|rest| rest.checked_sub(taken?)));
    (rest != Some(0)).then_some(Block { range, except })
}

// `None`: all IPv6 addresses, one more than fits.
fn size(range: &IpNet) -> Option<u128> {
    1u128.checked_shl(u32::from(range.max_prefix_len() - range.prefix_len()))
}

/// Whether the range lies inside one of those that the administrators admit; without a list, any does.
#[must_use]
pub fn is_admitted(cidr: &str, max_egress: Option<&[String]>) -> bool {
    let Some(admitted) = max_egress else { return true };
    let Ok(range) = cidr.parse::<IpNet>() else { return false };
    admitted.iter().filter_map(|admitted| admitted.parse::<IpNet>().ok()).any(|admitted| admitted.contains(&range))
}

/// Why the declared ways out can't be had at this level, and what to do; `None`: they can.
#[must_use]
pub fn refused_egress(declared: &[Egress], level: Isolation, max_egress: Option<&[String]>) -> Option<String> {
    declared.iter().enumerate().find_map(|(index, Egress { cidr, ports: _ })| {
        let field = format!("spec.egress[{index}].cidr");
        if level >= Isolation::Level3 {
            return Some(format!(
                "{field} is {cidr}, but from {level} nothing leaves but through the gateway and the egress proxy: remove \
                 `spec.egress`, or run the mission at {} where that is admitted",
                Isolation::Level2
            ));
        }
        if cidr.parse::<IpNet>().is_err() {
            return Some(format!("{field} is {cidr}: it must be a range of addresses such as 192.0.2.0/24"));
        }
        if public(cidr).is_none() {
            return Some(format!(
                "{field} is {cidr}, and all of it is private or reserved: remove the entry; pods of the mission reach each other \
                 by the `ports` that its agents declare"
            ));
        }
        (!is_admitted(cidr, max_egress)).then(|| {
            let admitted = max_egress.unwrap_or_default().join(", ");
            let admitted = if admitted.is_empty() { "nothing".into() } else { admitted };
            format!(
                "{field} is {cidr}, and this cluster admits {admitted}: declare a range inside of that, or ask its administrators \
                 for more (`maxEgress` in the operator's configuration)"
            )
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn declared(cidr: &str) -> Vec<Egress> {
        vec![Egress { cidr: "192.0.2.0/24".into(), ports: vec![443] }, Egress { cidr: cidr.into(), ports: vec![443] }]
    }

    #[test]
    fn private_parts_are_left_out_and_what_is_private_as_a_whole_is_nothing() {
        for (cidr, except) in [
            ("192.0.2.0/24", Some(vec![])),
            ("198.51.100.7/32", Some(vec![])),
            ("2001:db8::/32", Some(vec![])),
            ("172.0.0.0/8", Some(vec!["172.16.0.0/12"])),
            ("168.63.0.0/16", Some(vec!["168.63.129.16/32"])),
            ("100.0.0.0/8", Some(vec!["100.64.0.0/10"])),
            ("8000::/1", Some(vec!["fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"])),
            ("10.1.0.0/16", None),
            ("10.0.0.0/8", None),
            ("100.100.100.200/32", None),
            ("168.63.129.16/32", None),
            ("169.254.169.254/32", None),
            ("fd00:ec2::254/128", None),
            ("::1/128", None),
            ("::ffff:10.0.0.1/128", None),
            // Filled by two private ranges side by side.
            ("224.0.0.0/3", None),
            ("fe80::/9", None),
            ("nowhere", None),
        ] {
            let found = public(cidr).map(|block| block.except.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found, except.map(|except| except.into_iter().map(String::from).collect()), "{cidr}");
        }
        assert_eq!(public("0.0.0.0/0").unwrap().except.len(), 12);
        assert_eq!(public("::/0").unwrap().except.len(), 12);
    }

    #[test]
    fn a_refusal_names_the_field_and_the_way_out() {
        let most = ["192.0.2.0/24".to_owned(), "2001:db8::/32".to_owned(), "junk".to_owned()];
        let (all, most) = (None, Some(&most[..]));
        for (cidr, level, max_egress, says) in [
            ("198.51.100.0/24", Isolation::None, all, None),
            ("198.51.100.0/24", Isolation::Level1, all, None),
            ("0.0.0.0/0", Isolation::Level2, all, None),
            ("192.0.2.128/25", Isolation::Level1, most, None),
            ("2001:db8:1::/48", Isolation::Level1, most, None),
            ("10.0.0.0/24", Isolation::Level1, all, Some(("[1]", "remove the entry"))),
            ("fe80::/64", Isolation::Level2, all, Some(("[1]", "remove the entry"))),
            ("nowhere", Isolation::Level1, all, Some(("[1]", "192.0.2.0/24"))),
            ("192.0.0.0/16", Isolation::Level1, most, Some(("[1]", "192.0.2.0/24, 2001:db8::/32"))),
            ("198.51.100.0/24", Isolation::Level2, most, Some(("[1]", "maxEgress"))),
            ("198.51.100.0/24", Isolation::Level1, Some(&[][..]), Some(("[0]", "admits nothing"))),
            ("198.51.100.0/24", Isolation::Level3, all, Some(("[0]", "Level2"))),
        ] {
            let refusal = refused_egress(&declared(cidr), level, max_egress);
            match (&refusal, says) {
                (None, None) => {}
                (Some(text), Some((index, words))) => {
                    assert!(text.starts_with(&format!("spec.egress{index}.cidr")) && text.contains(words), "{text}");
                }
                _ => panic!("{cidr} at {level}: {refusal:?}"),
            }
        }
        assert_eq!(refused_egress(&[], Isolation::Level3, Some(&[])), None);
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        // Half of them in or at the edge of a private range.
        let near = (0..PRIVATE.len(), any::<bool>()).prop_map(|(index, last)| match (PRIVATE[index], last) {
            (range, false) => range.network(),
            (range, true) => range.broadcast(),
        });
        prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from), near]
    }

    proptest! {
        #[test]
        fn no_private_address_is_ever_let_through(
            address in any_address(), length in 0u8..=128, other in any_address(),
        ) {
            for base in [address, other] {
                let length = length.min(if base.is_ipv4() { 32 } else { 128 });
                let range = IpNet::new(base, length).unwrap().trunc();
                let Some(block) = public(&range.to_string()) else {
                    prop_assert!(is_private(&range.network()) && is_private(&range.broadcast()));
                    continue;
                };
                for address in [address, other, range.network(), range.broadcast()] {
                    let allowed = block.contains(&address);
                    prop_assert_eq!(allowed, range.contains(&address) && !is_private(&address), "{} in {:?}", address, block);
                }
                // As the API server wants it: each exception is a part of the range, and not the whole.
                for except in &block.except {
                    prop_assert!(range.contains(except) && range.prefix_len() < except.prefix_len());
                }
            }
        }
    }
}
