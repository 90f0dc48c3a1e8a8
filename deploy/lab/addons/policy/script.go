package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Table is the name of the table in the node's network.
const Table = "lab_network_policy"

// Script is what nft takes to make the network obey the model, in one step: no
// packet sees half of it.
//
// A pod hangs on a link of its own, so whatever it sends passes one of the two
// hooks: on its way to another pod, or to an address of the node. Both come
// after the replacement of a Service's address. What the node itself sends
// passes neither. The interfaces' names tell a pod's packets from the node's.
func (m Model) Script() string {
	var text strings.Builder
	fmt.Fprintf(&text, "add table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n", Table)
	set(&text, "set programmed { type ipv4_addr;", addresses(m.Programmed))
	set(&text, "set closed { type ipv4_addr;", addresses(m.Closed))
	for _, group := range m.Groups {
		group.write(&text)
	}
	set(&text, "map isolated_out_of { type ipv4_addr : verdict;", jumps(m.OutOf))
	set(&text, "map isolated_into { type ipv4_addr : verdict;", jumps(m.Into))
	// There is no IPv6 in a lab but what pods make by themselves.
	fmt.Fprintf(&text, `	chain forwarded {
		type filter hook forward priority 0;
		meta nfproto ipv6 drop
		ip saddr %[1]s ip saddr != @programmed drop
		ip daddr %[1]s ip daddr != @programmed drop
		ip saddr @closed drop
		ip daddr @closed drop
		ct state established,related accept
		ip saddr vmap @isolated_out_of
		ip daddr vmap @isolated_into
	}
	chain received {
		type filter hook input priority 0;
		iifname != "veth*" accept
		meta nfproto ipv6 drop
		ct state established,related accept
		ip saddr != @programmed drop
		ip saddr @closed drop
		ip saddr vmap @isolated_out_of
	}
}
`, m.Range)
	return text.String()
}

// write makes a chain that returns for what is allowed.
func (g Group) write(text *strings.Builder) {
	word := "daddr"
	if g.Ingress {
		word = "saddr"
	}
	fmt.Fprintf(text, "\tchain %s {\n", g.Name)
	for _, allowed := range g.Allowed {
		for _, from := range allowed.matches(word) {
			for _, ports := range allowed.ports() {
				fmt.Fprintf(text, "\t\t%s\n", strings.Join(strings.Fields(from+" "+ports+" return"), " "))
			}
		}
	}
	text.WriteString("\t\tdrop\n\t}\n")
}

// matches lists nft's words for the peers, each of which is enough.
func (a Allowed) matches(word string) []string {
	if a.Anyone {
		return []string{""}
	}
	var list []string
	if len(a.Pods) > 0 {
		list = append(list, fmt.Sprintf("ip %s { %s }", word, strings.Join(addresses(a.Pods), ", ")))
	}
	for _, block := range a.Blocks {
		if !block.Range.Addr().Is4() {
			continue // all of IPv6 is dropped
		}
		match := fmt.Sprintf("ip %s %s", word, block.Range)
		for _, except := range block.Except {
			match += fmt.Sprintf(" ip %s != %s", word, except)
		}
		list = append(list, match)
	}
	return list
}

func (a Allowed) ports() []string {
	if len(a.Ports) == 0 {
		return []string{""}
	}
	var list []string
	for _, ports := range a.Ports {
		text := fmt.Sprintf("%s dport %d", ports.Protocol, ports.First)
		if ports.Last > ports.First {
			text += fmt.Sprintf("-%d", ports.Last)
		}
		list = append(list, text)
	}
	return list
}

// set leaves the elements out if there are none: nft takes no empty list.
func set(text *strings.Builder, head string, elements []string) {
	fmt.Fprintf(text, "\t%s", head)
	if len(elements) > 0 {
		fmt.Fprintf(text, " elements = { %s };", strings.Join(elements, ", "))
	}
	text.WriteString(" }\n")
}

func addresses(list []netip.Addr) []string {
	var words []string
	for _, address := range list {
		words = append(words, address.String())
	}
	return words
}

func jumps(groups map[netip.Addr]string) []string {
	var words []string
	for _, address := range slices.SortedFunc(maps.Keys(groups), netip.Addr.Compare) {
		words = append(words, fmt.Sprintf("%s : jump %s", address, groups[address]))
	}
	return words
}
