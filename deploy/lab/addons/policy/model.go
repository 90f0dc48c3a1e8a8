package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Pod is one pod that has a network of its own and has not ended.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	Addresses       []netip.Addr
}

// Namespaces are the labels of each namespace, by its name.
type Namespaces map[string]map[string]string

// Model is who reaches whom.
type Model struct {
	// Range is where all pods' addresses are. One of it that is not programmed
	// gets no traffic: its pod is not known yet.
	Range      netip.Prefix
	Programmed []netip.Addr
	// Closed are the pods under a policy that is not understood.
	Closed []netip.Addr
	// Into and OutOf name the group of each address that is isolated.
	Into, OutOf map[netip.Addr]string
	Groups      []Group
	Complaints  []Complaint
}

// Group is what a set of policies allows in one direction. Pods under the same
// policies share it.
type Group struct {
	Name    string
	Ingress bool
	Allowed []Allowed
}

// Allowed is one thing that is allowed. Where two are, their union is.
type Allowed struct {
	Anyone bool
	Pods   []netip.Addr
	Blocks []Block
	Ports  []Ports // empty: all of every protocol
}

// Compute is the whole of the policies' meaning.
func Compute(range_ netip.Prefix, pods []Pod, namespaces Namespaces, policies []*networking.NetworkPolicy) Model {
	model := Model{Range: range_, Into: map[netip.Addr]string{}, OutOf: map[netip.Addr]string{}}
	var readable []read
	for _, policy := range policies {
		one := readPolicy(policy)
		if one.complaint != nil {
			model.Complaints = append(model.Complaints, *one.complaint)
		}
		readable = append(readable, one)
	}
	// The order must not depend on that of the lists: rules that say the same are not loaded again.
	slices.SortFunc(readable, func(a, b read) int {
		return cmp.Or(strings.Compare(a.namespace, b.namespace), strings.Compare(a.name, b.name))
	})
	slices.SortFunc(model.Complaints, func(a, b Complaint) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	groups := grouping{pods: pods, namespaces: namespaces, names: map[string]string{}}
	claimed := shared(pods)
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, pod := range pods {
		var into, outOf []read
		closed := false
		for _, policy := range readable {
			if policy.namespace != pod.Namespace || !policy.selector.Matches(labels.Set(pod.Labels)) {
				continue
			}
			closed = closed || policy.complaint != nil
			if policy.ingress {
				into = append(into, policy)
			}
			if policy.egress {
				outOf = append(outOf, policy)
			}
		}
		for _, address := range pod.Addresses {
			if claimed[address] > 1 || !range_.Contains(address) {
				continue
			}
			model.Programmed = append(model.Programmed, address)
			if closed {
				model.Closed = append(model.Closed, address)
				continue
			}
			if len(into) > 0 {
				model.Into[address] = groups.name(true, into)
			}
			if len(outOf) > 0 {
				model.OutOf[address] = groups.name(false, outOf)
			}
		}
	}
	slices.SortFunc(model.Programmed, netip.Addr.Compare)
	slices.SortFunc(model.Closed, netip.Addr.Compare)
	model.Groups = groups.list
	return model
}

// shared counts the pods that claim an address. If two do, nobody knows whose
// it is, and it stays closed.
func shared(pods []Pod) map[netip.Addr]int {
	count := map[netip.Addr]int{}
	for _, pod := range pods {
		for _, address := range pod.Addresses {
			count[address]++
		}
	}
	return count
}

// grouping makes one group for each set of policies.
type grouping struct {
	pods       []Pod
	namespaces Namespaces
	names      map[string]string
	list       []Group
}

func (g *grouping) name(ingress bool, policies []read) string {
	key := fmt.Sprint(ingress)
	for _, policy := range policies {
		key += " " + policy.namespace + "/" + policy.name
	}
	if name, known := g.names[key]; known {
		return name
	}
	group := Group{Name: fmt.Sprintf("egress-%d", len(g.list)), Ingress: ingress}
	if ingress {
		group.Name = fmt.Sprintf("ingress-%d", len(g.list))
	}
	for _, policy := range policies {
		rules := policy.outOf
		if ingress {
			rules = policy.into
		}
		for _, rule := range rules {
			group.Allowed = append(group.Allowed, g.resolve(policy.namespace, rule))
		}
	}
	g.names[key] = group.Name
	g.list = append(g.list, group)
	return group.Name
}

// resolve puts the addresses in the place of selectors.
func (g *grouping) resolve(namespace string, rule rule) Allowed {
	allowed := Allowed{Anyone: rule.anyone, Ports: rule.ports}
	for _, peer := range rule.peers {
		if peer.block != nil {
			allowed.Blocks = append(allowed.Blocks, *peer.block)
			continue
		}
		for _, pod := range g.pods {
			if peer.namespaces == nil && pod.Namespace != namespace {
				continue
			}
			if peer.namespaces != nil {
				// Of a namespace that is not known, nothing is allowed.
				known, ok := g.namespaces[pod.Namespace]
				if !ok || !peer.namespaces.Matches(labels.Set(known)) {
					continue
				}
			}
			if peer.pods.Matches(labels.Set(pod.Labels)) {
				allowed.Pods = append(allowed.Pods, pod.Addresses...)
			}
		}
	}
	slices.SortFunc(allowed.Pods, netip.Addr.Compare)
	allowed.Pods = slices.Compact(allowed.Pods)
	return allowed
}
