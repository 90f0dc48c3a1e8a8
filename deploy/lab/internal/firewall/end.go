// Package firewall cuts parts of a lab off from each other, with rules in the
// lab's own network. They vanish with it.
package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"lazarus-pit.io/lab/internal/place"
)

// API is the word for the API server.
const API = "api"

// kubeletPort is where the API server asks a kubelet for logs and exec.
const kubeletPort = 10250

// end is one end of what is cut: the API server, a node, or addresses.
type end struct {
	api    bool
	node   *place.Node
	prefix netip.Prefix
	port   uint16 // 0: every port
}

func parseEnd(lab place.Lab, text string) (end, error) {
	if text == API {
		return end{api: true}, nil
	}
	nodes := lab.AllNodes()
	if at := slices.IndexFunc(nodes, func(n place.Node) bool { return n.Name() == text }); at >= 0 {
		return end{node: &nodes[at]}, nil
	}
	address, portText, hasPort := strings.Cut(text, ":")
	var found end
	if hasPort {
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil || port == 0 {
			return found, fmt.Errorf("%q: the port is no number from 1 to 65535", text)
		}
		found.port = uint16(port)
	}
	if !strings.Contains(address, "/") {
		address += "/32"
	}
	prefix, err := netip.ParsePrefix(address)
	if err != nil || !prefix.Addr().Is4() {
		return found, fmt.Errorf("%q is no node of this lab (it has %s), not %q, and no IPv4 address or ADDRESS:PORT",
			text, names(nodes), API)
	}
	found.prefix = prefix.Masked()
	return found, nil
}

func names(nodes []place.Node) string {
	var list []string
	for _, node := range nodes {
		list = append(list, node.Name())
	}
	return strings.Join(list, ", ")
}

// matches lists what nft takes for the packets between two ends, both ways.
func matches(from, to end) []string {
	list := []string{
		from.match("saddr", "sport") + " " + to.match("daddr", "dport"),
		to.match("saddr", "sport") + " " + from.match("daddr", "dport"),
	}
	for _, pair := range [][2]end{{from, to}, {to, from}} {
		if pair[0].node != nil && pair[1].api {
			list = append(list, kubelet(*pair[0].node)...)
		}
	}
	return list
}

// match is of the pods of a node: what else runs there has no address of its own.
func (e end) match(address, port string) string {
	switch {
	case e.api:
		return fmt.Sprintf("ip %s %s tcp %s %d", address, place.Node{Number: 1}.Address(), port, place.APIPort)
	case e.node != nil:
		return fmt.Sprintf("ip %s %s", address, e.node.Pods())
	case e.port != 0:
		return fmt.Sprintf("ip %s %s meta l4proto { tcp, udp } th %s %d", address, e.prefix, port, e.port)
	default:
		return fmt.Sprintf("ip %s %s", address, e.prefix)
	}
}

// kubelet is told by the address at which only it reaches the API server, and
// by the one at which the API server reaches it.
func kubelet(node place.Node) []string {
	own, reached := node.APIAddress(), node.Address()
	return []string{
		fmt.Sprintf("ip daddr %s tcp dport %d", own, place.APIPort),
		fmt.Sprintf("ip saddr %s tcp sport %d", own, place.APIPort),
		fmt.Sprintf("ip daddr %s tcp dport %d", reached, kubeletPort),
		fmt.Sprintf("ip saddr %s tcp sport %d", reached, kubeletPort),
	}
}
