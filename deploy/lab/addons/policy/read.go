// Package policy says what NetworkPolicies allow. It is pure: from pods,
// namespaces and policies to a [Model], which decides about a connection, and
// which is what the rules of the network are written from.
//
// It knows the shapes that the operator renders, and a few that a namespace's
// owner is likely to add. A pod that is selected by a policy of any other shape
// gets no traffic at all: who tests with this must not take a rule that was not
// understood for one that was.
package policy

import (
	"fmt"
	"net/netip"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Complaint is a policy that is not understood, and where.
type Complaint struct {
	Namespace, Name string
	Field           string // such as spec.egress[0].ports[1].port
	Problem         string
}

func (c Complaint) String() string {
	return fmt.Sprintf("NetworkPolicy %s/%s is not understood, its pods get no traffic: %s: %s", c.Namespace, c.Name, c.Field, c.Problem)
}

// read is a policy that is understood, or the complaint about it.
type read struct {
	namespace, name string
	selector        labels.Selector // everything in the namespace if it is not understood itself
	ingress, egress bool            // whether it isolates
	into, outOf     []rule
	complaint       *Complaint
}

// rule is one entry of ingress or egress: any of the peers on any of the ports.
type rule struct {
	anyone bool
	peers  []peer
	ports  []Ports // empty: all of every protocol
}

// peer is a block of addresses, or pods.
type peer struct {
	block      *Block
	namespaces labels.Selector // nil: the policy's own
	pods       labels.Selector
}

// Block is a range of addresses without some ranges in it.
type Block struct {
	Range  netip.Prefix
	Except []netip.Prefix
}

// Ports is a range of ports, both ends included.
type Ports struct {
	Protocol    string // tcp or udp
	First, Last uint16
}

// problem is an error with the field it is in.
type problem struct{ field, text string }

func readPolicy(policy *networking.NetworkPolicy) read {
	result := read{namespace: policy.Namespace, name: policy.Name, selector: labels.Everything()}
	if found := result.fill(&policy.Spec); found != nil {
		result.complaint = &Complaint{policy.Namespace, policy.Name, found.field, found.text}
	}
	return result
}

func (r *read) fill(spec *networking.NetworkPolicySpec) *problem {
	selector, found := readSelector("spec.podSelector", &spec.PodSelector)
	if found != nil {
		return found
	}
	r.selector = selector
	if len(spec.PolicyTypes) == 0 {
		return &problem{"spec.policyTypes", "is empty"}
	}
	for i, kind := range spec.PolicyTypes {
		switch kind {
		case networking.PolicyTypeIngress:
			r.ingress = true
		case networking.PolicyTypeEgress:
			r.egress = true
		default:
			return &problem{fmt.Sprintf("spec.policyTypes[%d]", i), string(kind)}
		}
	}
	for i, entry := range spec.Ingress {
		one, found := readRule(fmt.Sprintf("spec.ingress[%d]", i), "from", entry.From, entry.Ports)
		if found != nil {
			return found
		}
		r.into = append(r.into, one)
	}
	for i, entry := range spec.Egress {
		one, found := readRule(fmt.Sprintf("spec.egress[%d]", i), "to", entry.To, entry.Ports)
		if found != nil {
			return found
		}
		r.outOf = append(r.outOf, one)
	}
	return nil
}

func readRule(field, word string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort) (rule, *problem) {
	one := rule{anyone: len(peers) == 0}
	for i := range peers {
		peer, found := readPeer(fmt.Sprintf("%s.%s[%d]", field, word, i), &peers[i])
		if found != nil {
			return one, found
		}
		one.peers = append(one.peers, peer)
	}
	for i := range ports {
		range_, found := readPorts(fmt.Sprintf("%s.ports[%d]", field, i), &ports[i])
		if found != nil {
			return one, found
		}
		one.ports = append(one.ports, range_)
	}
	return one, nil
}

func readPeer(field string, from *networking.NetworkPolicyPeer) (peer, *problem) {
	var one peer
	if from.IPBlock != nil {
		if from.PodSelector != nil || from.NamespaceSelector != nil {
			return one, &problem{field, "has both ipBlock and selectors"}
		}
		block, found := readBlock(field+".ipBlock", from.IPBlock)
		one.block = block
		return one, found
	}
	if from.PodSelector == nil && from.NamespaceSelector == nil {
		return one, &problem{field, "has no field that is known here"}
	}
	var found *problem
	if from.NamespaceSelector != nil {
		if one.namespaces, found = readSelector(field+".namespaceSelector", from.NamespaceSelector); found != nil {
			return one, found
		}
	}
	one.pods = labels.Everything()
	if from.PodSelector != nil {
		one.pods, found = readSelector(field+".podSelector", from.PodSelector)
	}
	return one, found
}

func readBlock(field string, from *networking.IPBlock) (*Block, *problem) {
	parse := func(field, text string) (netip.Prefix, *problem) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return prefix, &problem{field, fmt.Sprintf("%q is no range of addresses", text)}
		}
		return prefix.Masked(), nil
	}
	range_, found := parse(field+".cidr", from.CIDR)
	if found != nil {
		return nil, found
	}
	block := Block{Range: range_}
	for i, text := range from.Except {
		except, found := parse(fmt.Sprintf("%s.except[%d]", field, i), text)
		if found != nil {
			return nil, found
		}
		if except.Addr().Is4() != range_.Addr().Is4() {
			return nil, &problem{fmt.Sprintf("%s.except[%d]", field, i), "is of another kind of address"}
		}
		block.Except = append(block.Except, except)
	}
	return &block, nil
}

func readPorts(field string, from *networking.NetworkPolicyPort) (Ports, *problem) {
	var ports Ports
	switch {
	case from.Protocol == nil || *from.Protocol == core.ProtocolTCP:
		ports.Protocol = "tcp"
	case *from.Protocol == core.ProtocolUDP:
		ports.Protocol = "udp"
	default:
		return ports, &problem{field + ".protocol", string(*from.Protocol)}
	}
	if from.Port == nil {
		return ports, &problem{field + ".port", "is missing"}
	}
	first := int64(from.Port.IntValue())
	if from.Port.StrVal != "" || first < 1 || first > 65535 {
		return ports, &problem{field + ".port", fmt.Sprintf("%q is no number from 1 to 65535", from.Port.String())}
	}
	last := first
	if from.EndPort != nil {
		last = int64(*from.EndPort)
	}
	if last < first || last > 65535 {
		return ports, &problem{field + ".endPort", fmt.Sprintf("%d is no port after the first", last)}
	}
	ports.First, ports.Last = uint16(first), uint16(last)
	return ports, nil
}

func readSelector(field string, from *meta.LabelSelector) (labels.Selector, *problem) {
	for i, expression := range from.MatchExpressions {
		if expression.Operator != meta.LabelSelectorOpIn && expression.Operator != meta.LabelSelectorOpExists {
			return nil, &problem{fmt.Sprintf("%s.matchExpressions[%d].operator", field, i), string(expression.Operator)}
		}
	}
	selector, err := meta.LabelSelectorAsSelector(from)
	if err != nil {
		return nil, &problem{field, err.Error()}
	}
	return selector, nil
}
