package policy

import (
	"net/netip"
	"slices"
)

// Connection is the first packet of one, after a Service's address has been
// replaced by a pod's.
type Connection struct {
	From, To netip.Addr
	Protocol string // tcp, udp, or another without ports
	Port     uint16
}

// Decide says whether the connection may be made. It is of traffic from a pod,
// or between a pod and an address outside; what a node itself opens to a pod is
// never stopped, and replies are not either.
func (m Model) Decide(c Connection) bool {
	for _, end := range []netip.Addr{c.From, c.To} {
		if !end.Is4() || (m.Range.Contains(end) && !slices.Contains(m.Programmed, end)) || slices.Contains(m.Closed, end) {
			return false
		}
	}
	return m.allows(m.OutOf[c.From], c.To, c) && m.allows(m.Into[c.To], c.From, c)
}

// allows is true without a group: nothing isolates the pod.
func (m Model) allows(group string, other netip.Addr, c Connection) bool {
	if group == "" {
		return true
	}
	at := slices.IndexFunc(m.Groups, func(g Group) bool { return g.Name == group })
	return at >= 0 && slices.ContainsFunc(m.Groups[at].Allowed, func(a Allowed) bool {
		return a.peer(other) && a.port(c)
	})
}

func (a Allowed) peer(other netip.Addr) bool {
	return a.Anyone || slices.Contains(a.Pods, other) || slices.ContainsFunc(a.Blocks, func(block Block) bool {
		return block.Range.Contains(other) &&
			!slices.ContainsFunc(block.Except, func(except netip.Prefix) bool { return except.Contains(other) })
	})
}

func (a Allowed) port(c Connection) bool {
	return len(a.Ports) == 0 || slices.ContainsFunc(a.Ports, func(ports Ports) bool {
		return ports.Protocol == c.Protocol && ports.First <= c.Port && c.Port <= ports.Last
	})
}
