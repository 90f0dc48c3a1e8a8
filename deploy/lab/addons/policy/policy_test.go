package policy

import (
	"net/netip"
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// The cluster of every test here.
var (
	podRange = netip.MustParsePrefix("10.244.0.0/16")
	pods     = []Pod{
		pod("cells", "agent", "10.244.0.2", "app=agent", "cell=one"),
		pod("cells", "friend", "10.244.0.3", "app=agent", "cell=one"),
		pod("cells", "stranger", "10.244.16.2", "app=agent", "cell=two"),
		pod("system", "gateway", "10.244.0.9", "app=gateway"),
		pod("system", "other", "10.244.0.10", "app=other"),
	}
	namespaces = Namespaces{
		"cells":  {"kubernetes.io/metadata.name": "cells"},
		"system": {"kubernetes.io/metadata.name": "system", "team": "ours"},
	}
	named = map[string]string{"internet": "203.0.113.5", "metadata": "169.254.169.254", "private": "10.1.2.3", "unborn": "10.244.0.200"}
)

func pod(namespace, name, address string, labels ...string) Pod {
	one := Pod{Namespace: namespace, Name: name, Labels: map[string]string{}, Addresses: []netip.Addr{netip.MustParseAddr(address)}}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		one.Labels[key] = value
	}
	return one
}

func address(t *testing.T, name string) netip.Addr {
	t.Helper()
	for _, pod := range pods {
		if pod.Name == name {
			return pod.Addresses[0]
		}
	}
	if text, ok := named[name]; ok {
		return netip.MustParseAddr(text)
	}
	found, err := netip.ParseAddr(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// policies are of the namespace cells; each is the YAML of a spec.
func policies(t *testing.T, specs ...string) []*networking.NetworkPolicy {
	t.Helper()
	var list []*networking.NetworkPolicy
	for i, text := range specs {
		one := &networking.NetworkPolicy{}
		one.Namespace, one.Name = "cells", string(rune('a'+i))
		if err := yaml.UnmarshalStrict([]byte(text), &one.Spec); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list = append(list, one)
	}
	return list
}

const (
	denyIn   = "{podSelector: {matchLabels: {cell: one}}, policyTypes: [Ingress]}"
	denyOut  = "{podSelector: {matchLabels: {cell: one}}, policyTypes: [Egress]}"
	denyBoth = "{podSelector: {}, policyTypes: [Ingress, Egress]}"
	anything = "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}"
)

func TestWhatPoliciesAllow(t *testing.T) {
	for _, each := range []struct {
		name    string
		specs   []string
		allowed string // from, to, protocol/port; separated by semicolons
		denied  string
	}{
		{"without a policy everything is open", nil,
			"agent stranger tcp/1; stranger agent udp/9; agent internet tcp/443; gateway agent icmp/0", ""},
		{"an empty list of ingress denies, replies apart", []string{denyIn},
			"agent stranger tcp/1; agent internet tcp/443; gateway stranger tcp/1", "stranger agent tcp/1; friend agent tcp/1; gateway friend udp/1"},
		{"an empty list of egress denies", []string{denyOut},
			"stranger agent tcp/1; stranger internet tcp/443", "agent stranger tcp/1; agent internet tcp/443; agent gateway icmp/0"},
		{"an empty selector is the whole namespace, and no other", []string{denyBoth},
			"gateway other tcp/1", "agent friend tcp/1; stranger gateway tcp/1; gateway stranger tcp/1"},
		{"an empty rule allows everything", []string{anything},
			"agent internet tcp/443; gateway agent icmp/0; stranger agent udp/5", ""},
		{"policies add up", []string{denyBoth, anything}, "agent internet tcp/443; gateway agent tcp/1", ""},
		{"both ends must allow", []string{denyBoth, "{podSelector: {matchLabels: {cell: one}}, policyTypes: [Egress], egress: [{}]}"},
			"agent gateway tcp/1; agent internet tcp/1", "agent friend tcp/1; agent stranger tcp/1"},
		{"pods of the same namespace on one port", []string{denyIn,
			"{podSelector: {matchExpressions: [{key: cell, operator: In, values: [one, three]}]}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {cell: one}}}], ports: [{protocol: TCP, port: 8080}]}]}"},
			"friend agent tcp/8080; agent friend tcp/8080", "friend agent tcp/8081; friend agent udp/8080; stranger agent tcp/8080; gateway agent tcp/8080; friend agent icmp/8080"},
		{"a pod selector alone means this namespace", []string{denyOut,
			"{podSelector: {matchExpressions: [{key: cell, operator: Exists}]}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}"},
			"agent stranger tcp/1; stranger agent udp/1", "agent gateway tcp/1; stranger gateway tcp/1; agent internet tcp/1"},
		{"pods of a namespace by its name", []string{denyOut,
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: system}}, podSelector: {matchLabels: {app: gateway}}}], ports: [{protocol: TCP, port: 9443}]}]}"},
			"agent gateway tcp/9443; stranger gateway tcp/9443", "agent gateway tcp/9444; agent other tcp/9443; agent friend tcp/9443"},
		{"all pods of namespaces by a label", []string{
			"{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}]}]}"},
			"gateway agent tcp/1; other agent udp/1", "friend agent tcp/1"},
		{"every namespace", []string{"{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}"},
			"gateway agent tcp/1; friend agent tcp/1", "internet agent tcp/1"},
		{"a block without what is excepted", []string{denyOut,
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.0.0/16]}}], ports: [{protocol: TCP, port: 443}]}]}"},
			"agent internet tcp/443", "agent internet tcp/80; agent internet udp/443; agent private tcp/443; agent metadata tcp/443; agent gateway tcp/443"},
		{"one peer of several is enough, also of two policies", []string{
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}, {podSelector: {matchLabels: {cell: two}}}]}]}",
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.1.2.3/32}}]}]}"},
			"agent internet tcp/1; agent stranger udp/1; agent private tcp/1", "agent friend tcp/1; agent metadata tcp/1"},
		{"an exception of one rule is none of another", []string{
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}, {ipBlock: {cidr: 10.1.0.0/16}}]}]}"},
			"agent private tcp/1; agent internet tcp/1", "agent gateway tcp/1"},
		{"IPv6 blocks are understood, and nothing goes there", []string{
			"{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::/0', except: ['fc00::/7']}}]}]}"},
			"", "agent internet tcp/1; agent 2001:db8::1 tcp/1"},
		{"ranges of ports, and a protocol that is not said", []string{
			"{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 8000, endPort: 8010}, {protocol: UDP, port: 53}]}]}"},
			"gateway agent tcp/8000; gateway agent tcp/8010; gateway agent udp/53", "gateway agent tcp/7999; gateway agent tcp/8011; gateway agent udp/8000; gateway agent tcp/53"},
		{"a selector that nothing fits allows nothing", []string{
			"{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: none}}}]}]}"},
			"", "friend agent tcp/1; internet agent tcp/1"},
		{"rules of a direction that is not named don't isolate", []string{
			"{podSelector: {}, policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}]}"},
			"agent internet tcp/1", "friend agent tcp/1"},
		{"a pod that is not known yet gets nothing", nil, "", "unborn agent tcp/1; agent unborn tcp/1; unborn internet tcp/1"},
	} {
		t.Run(each.name, func(t *testing.T) {
			model := Compute(podRange, pods, namespaces, policies(t, each.specs...))
			if len(model.Complaints) > 0 {
				t.Fatal(model.Complaints)
			}
			expect(t, model, each.allowed, true)
			expect(t, model, each.denied, false)
		})
	}
}

func expect(t *testing.T, model Model, connections string, want bool) {
	t.Helper()
	for _, text := range strings.Split(connections, ";") {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		protocol, port, _ := strings.Cut(words[2], "/")
		number := uint16(0)
		for _, digit := range port {
			number = number*10 + uint16(digit-'0')
		}
		got := model.Decide(Connection{address(t, words[0]), address(t, words[1]), protocol, number})
		if got != want {
			t.Errorf("%s: allowed is %v\n%s", text, got, model.Script())
		}
	}
}

func TestWhatIsNotUnderstoodClosesItsPods(t *testing.T) {
	const prefix = "podSelector: {matchLabels: {cell: one}}, policyTypes: [Ingress, Egress]"
	for _, each := range []struct{ spec, field string }{
		{"{podSelector: {matchLabels: {cell: one}}}", "spec.policyTypes"},
		{"{podSelector: {matchLabels: {cell: one}}, policyTypes: [Sideways]}", "spec.policyTypes[0]"},
		{"{" + prefix + ", ingress: [{ports: [{port: web}]}]}", "spec.ingress[0].ports[0].port"},
		{"{" + prefix + ", ingress: [{ports: [{port: 0}]}]}", "spec.ingress[0].ports[0].port"},
		{"{" + prefix + ", egress: [{}, {ports: [{port: 1}, {protocol: UDP}]}]}", "spec.egress[1].ports[1].port"},
		{"{" + prefix + ", egress: [{ports: [{port: 9, endPort: 8}]}]}", "spec.egress[0].ports[0].endPort"},
		{"{" + prefix + ", egress: [{ports: [{protocol: SCTP, port: 8}]}]}", "spec.egress[0].ports[0].protocol"},
		{"{" + prefix + ", egress: [{to: [{}]}]}", "spec.egress[0].to[0]"},
		{"{" + prefix + ", egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}", "spec.egress[0].to[0]"},
		{"{" + prefix + ", egress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]}", "spec.egress[0].to[0].ipBlock.cidr"},
		{"{" + prefix + ", egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: ['::/0']}}]}]}", "spec.egress[0].to[0].ipBlock.except[0]"},
		{"{" + prefix + ", ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}]}]}",
			"spec.ingress[0].from[0].podSelector.matchExpressions[0].operator"},
		{"{" + prefix + ", ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}]}]}",
			"spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].operator"},
	} {
		// What another policy allows does not open it.
		model := Compute(podRange, pods, namespaces, policies(t, each.spec, anything))
		if len(model.Complaints) != 1 || model.Complaints[0].Field != each.field {
			t.Errorf("%s: %v", each.spec, model.Complaints)
			continue
		}
		expect(t, model, "agent internet tcp/1; friend agent tcp/1; gateway agent tcp/1; agent stranger tcp/1; stranger friend udp/1", false)
		expect(t, model, "stranger internet tcp/1; stranger gateway tcp/1", true)
	}
}

func TestWhomAPolicySelectsMustBeUnderstoodToo(t *testing.T) {
	model := Compute(podRange, pods, namespaces, policies(t,
		"{podSelector: {matchExpressions: [{key: cell, operator: NotIn, values: [two]}]}, policyTypes: [Ingress]}"))
	if len(model.Complaints) != 1 || !strings.Contains(model.Complaints[0].String(), "cells/a") {
		t.Error(model.Complaints)
	}
	// So it may be meant for any pod of the namespace.
	expect(t, model, "stranger internet tcp/1; agent internet tcp/1; gateway stranger tcp/1", false)
	expect(t, model, "gateway other tcp/1", true)
}

func TestAnAddressOfTwoPodsIsNobodys(t *testing.T) {
	twice := append([]Pod{pod("cells", "twin", "10.244.0.2", "cell=two")}, pods...)
	model := Compute(podRange, twice, namespaces, nil)
	expect(t, model, "agent internet tcp/1; gateway agent tcp/1", false)
	expect(t, model, "friend internet tcp/1", true)
}

func TestPodsUnderTheSamePoliciesShareTheirRules(t *testing.T) {
	model := Compute(podRange, pods, namespaces, policies(t, denyBoth, denyIn))
	if len(model.Groups) != 3 || len(model.Into) != 3 || len(model.OutOf) != 3 {
		t.Errorf("%+v", model)
	}
}

func TestTheSameClusterHasTheSameRules(t *testing.T) {
	specs := policies(t, denyIn, anything, denyOut)
	want := Compute(podRange, pods, namespaces, specs).Script()
	turned := make([]Pod, 0, len(pods))
	for i := range pods {
		turned = append(turned, pods[len(pods)-1-i])
	}
	specs[0], specs[2] = specs[2], specs[0]
	if got := Compute(podRange, turned, namespaces, specs).Script(); got != want {
		t.Errorf("%s\nand\n%s", got, want)
	}
}

func TestRulesAreWrittenAsNftTakesThem(t *testing.T) {
	script := Compute(podRange, pods, namespaces, policies(t,
		"{podSelector: {matchLabels: {cell: one}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {cell: one}}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 100.64.0.0/10]}}], ports: [{port: 80}, {protocol: UDP, port: 53, endPort: 54}]}]}",
		"{podSelector: {matchLabels: {cell: two}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: none}}}, {ipBlock: {cidr: '::/0'}}]}]}",
		"{podSelector: {matchLabels: {cell: two}}, policyTypes: [Ingress], ingress: [{ports: [{port: http}]}]}")).Script()
	for _, want := range []string{
		"set programmed { type ipv4_addr; elements = { 10.244.0.2, 10.244.0.3, 10.244.0.9, 10.244.0.10, 10.244.16.2 }; }\n",
		"set closed { type ipv4_addr; elements = { 10.244.16.2 }; }\n",
		"\tchain egress-0 {\n" +
			"\t\tip daddr { 10.244.0.2, 10.244.0.3 } tcp dport 80 return\n" +
			"\t\tip daddr { 10.244.0.2, 10.244.0.3 } udp dport 53-54 return\n" +
			"\t\tip daddr 0.0.0.0/0 ip daddr != 10.0.0.0/8 ip daddr != 100.64.0.0/10 tcp dport 80 return\n" +
			"\t\tip daddr 0.0.0.0/0 ip daddr != 10.0.0.0/8 ip daddr != 100.64.0.0/10 udp dport 53-54 return\n" +
			"\t\tdrop\n\t}\n",
		"map isolated_out_of { type ipv4_addr : verdict; elements = { 10.244.0.2 : jump egress-0, 10.244.0.3 : jump egress-0 }; }\n",
		"map isolated_into { type ipv4_addr : verdict; }\n",
		"ip saddr 10.244.0.0/16 ip saddr != @programmed drop\n",
	} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
}
