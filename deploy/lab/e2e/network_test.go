//go:build lab

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The labels and ports of the pods in all tests here.
const listening = "listen, tcp:8080, tcp:8081, udp:9090"

// scene is a server and its clients. The near one is on its node, the far one
// on another if there is one, and the foreign one in another namespace.
type scene struct {
	home, abroad string
	server       string // addresses
	service      string
}

func set(t *testing.T) scene {
	t.Helper()
	s := scene{home: namespace(t, "network"), abroad: namespace(t, "network-abroad")}
	all := nodes(t)
	first, last := all[0], all[len(all)-1]
	apply(t, podOn(first, s.home, "server", "app: server", listening)+
		podOn(first, s.home, "near", "app: client, place: near", listening)+
		podOn(last, s.home, "far", "app: client, place: far", listening)+
		podOn(first, s.abroad, "foreign", "app: client", listening)+
		fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {namespace: %s, name: server}
spec:
  selector: {app: server}
  ports: [{name: web, port: 80, targetPort: 8080}, {name: other, port: 81, targetPort: 8081}]
`, s.home))
	running(t, s.home, "server", "near", "far")
	running(t, s.abroad, "foreign")
	s.server = addressOf(t, s.home, "server")
	s.service = kubectl(t, "-n", s.home, "get", "service", "server", "-o", "jsonpath={.spec.clusterIP}")
	return s
}

// policy replaces the policy of this name.
func (s scene) policy(t *testing.T, name, spec string) {
	t.Helper()
	apply(t, fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: %s, name: %s}\nspec: %s\n", s.home, name, spec))
}

func (s scene) reaches(t *testing.T, from, protocol, address string, port int) bool {
	t.Helper()
	where := s.home
	if from == "foreign" {
		where = s.abroad
	}
	answer := kubectl(t, "-n", where, "exec", from, "--", "/probe", "dial", protocol, net.JoinHostPort(address, fmt.Sprint(port)))
	return answer == "reached"
}

// become waits for the first, for rules come a little after the policy, and then
// asks the others: what is open first, then what is shut.
func (s scene) become(t *testing.T, open, shut []string) {
	t.Helper()
	for _, each := range open {
		within(t, each+" is open", func() bool { return s.ask(t, each) })
	}
	for _, each := range shut {
		within(t, each+" is shut", func() bool { return !s.ask(t, each) })
	}
}

// ask takes "near tcp server 8080".
func (s scene) ask(t *testing.T, question string) bool {
	t.Helper()
	var from, protocol, to string
	var port int
	if _, err := fmt.Sscan(question, &from, &protocol, &to, &port); err != nil {
		t.Fatal(err)
	}
	switch to {
	case "server":
		to = s.server
	case "service":
		to = s.service
	case "near", "far":
		to = addressOf(t, s.home, to)
	case "foreign":
		to = addressOf(t, s.abroad, to)
	}
	return s.reaches(t, from, protocol, to, port)
}

var everything = []string{
	"near tcp server 8080", "far tcp server 8080", "foreign tcp server 8080", "near udp server 9090", "far udp server 9090",
	"near tcp service 80", "far tcp service 80", "server tcp near 8080", "server tcp far 8080", "near tcp foreign 8080",
	"server tcp service 80",
}

func TestWithoutPoliciesEverythingIsOpen(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.become(t, everything, nil)
}

func TestIngress(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.policy(t, "deny", "{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}")
	s.become(t, []string{"server tcp near 8080", "server udp far 9090", "near tcp far 8080"},
		[]string{"near tcp server 8080", "far tcp server 8080", "foreign tcp server 8080", "near udp server 9090", "far tcp service 80"})
	s.policy(t, "allow", "{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}, {protocol: UDP, port: 9090}]}]}")
	s.become(t, []string{"near tcp server 8080", "far tcp server 8080", "near udp server 9090", "far udp server 9090"},
		[]string{"near tcp server 8081", "far tcp server 8081", "foreign tcp server 8080"})
	s.policy(t, "allow", fmt.Sprintf("{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}, podSelector: {}}]}]}", s.abroad))
	s.become(t, []string{"foreign tcp server 8081"}, []string{"near tcp server 8080", "far tcp server 8080"})
}

func TestEgress(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.policy(t, "deny", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}")
	s.become(t, []string{"foreign tcp server 8080", "server tcp near 8080", "server tcp far 8080", "foreign tcp near 8080"},
		[]string{"near tcp server 8080", "far tcp server 8080", "near tcp foreign 8080", "far udp server 9090", "near tcp service 80"})
	s.policy(t, "allow", "{podSelector: {matchExpressions: [{key: place, operator: In, values: [near]}]}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: server}}}], ports: [{port: 8080, endPort: 8080}]}]}")
	s.become(t, []string{"near tcp server 8080"},
		[]string{"near tcp server 8081", "near udp server 9090", "near tcp foreign 8080", "far tcp server 8080"})
}

// A policy sees what a Service's address has been replaced by.
func TestServices(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.policy(t, "deny", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}")
	s.policy(t, "allow", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: server}}}], ports: [{port: 8080}]}]}")
	s.become(t, []string{"near tcp service 80", "far tcp service 80"}, []string{"near tcp service 81", "far tcp service 81", "near tcp server 8081"})
	// The Service's own address and port open nothing.
	s.policy(t, "allow", fmt.Sprintf("{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: %s/32}}], ports: [{port: 80}]}]}", s.service))
	s.become(t, nil, []string{"near tcp service 80", "far tcp service 80"})
}

func TestBlocksAndExceptions(t *testing.T) {
	t.Parallel()
	s := set(t)
	const rule = "{podSelector: {matchLabels: {place: %s}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0%s}}]}]}"
	s.policy(t, "near", fmt.Sprintf(rule, "near", ", except: ["+s.server+"/32]"))
	s.policy(t, "far", fmt.Sprintf(rule, "far", ""))
	s.become(t, []string{"near tcp foreign 8080", "near tcp far 8080", "far tcp server 8080", "far tcp service 80"},
		[]string{"near tcp server 8080", "near tcp service 80"})
}

// The API server is on the node's own address, as every address of the node is
// that the tests' targets have.
func TestAddressesOfTheNode(t *testing.T) {
	t.Parallel()
	s := set(t)
	api := "near tcp 172.31.255.2 6443"
	byService := "near tcp " + kubectl(t, "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}") + " 443"
	s.become(t, []string{api, byService}, nil)
	s.policy(t, "deny", "{podSelector: {matchLabels: {place: near}}, policyTypes: [Egress]}")
	s.become(t, nil, []string{api, byService})
	s.policy(t, "allow", "{podSelector: {matchLabels: {place: near}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.31.255.2/32}}], ports: [{port: 6443}]}]}")
	s.become(t, []string{api, byService}, []string{"near tcp server 8080"})
}

func TestThePodsOwnNodeReachesIt(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.policy(t, "deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}")
	s.become(t, nil, []string{"near tcp server 8080", "server tcp near 8080"})
	node := nodes(t)[0]
	probed := strings.Replace(podOn(node, s.home, "probed", "app: probed", listening), "image:",
		"readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}, image:", 1)
	apply(t, probed)
	running(t, s.home, "probed")
}

func TestWhatIsNotUnderstoodShutsAPod(t *testing.T) {
	t.Parallel()
	s := set(t)
	s.policy(t, "open", "{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}")
	s.policy(t, "odd", "{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: [{ports: [{port: web}]}]}")
	s.become(t, []string{"near tcp far 8080", "foreign tcp near 8080"},
		[]string{"near tcp server 8080", "far udp server 9090", "server tcp near 8080", "server tcp far 8080", "server tcp 172.31.255.2 6443"})
	log, err := os.ReadFile(filepath.Join(lab, "logs", "network-policy.log"))
	if err != nil {
		t.Fatal(err)
	}
	if want := s.home + "/odd is not understood, its pods get no traffic: spec.ingress[0].ports[0].port"; !strings.Contains(string(log), want) {
		t.Errorf("the log does not say %q", want)
	}
	kubectl(t, "-n", s.home, "delete", "networkpolicy", "odd")
	s.become(t, []string{"near tcp server 8080", "server tcp far 8080"}, nil)
}

// A pod that is shut in is so from its first moment on.
func TestNoPodIsOpenAtFirst(t *testing.T) {
	t.Parallel()
	s := set(t)
	all := nodes(t)
	manifests := ""
	var names []string
	for i := range 8 {
		name := fmt.Sprintf("early-%d", i)
		names = append(names, name)
		manifests += podOn(all[i%len(all)], s.home, name, "app: early", fmt.Sprintf("insist, tcp, '%s:8080'", s.server))
	}
	// In one go, the policy first: no time between it and its pods.
	apply(t, fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: %s, name: deny}\nspec: {podSelector: {matchLabels: {app: early}}, policyTypes: [Egress]}\n", s.home)+
		manifests+podOn(all[0], s.home, "free", "app: free", fmt.Sprintf("insist, tcp, '%s:8080'", s.server)))
	for _, name := range append(names, "free") {
		answer := ""
		within(t, name+" says something", func() bool {
			answer, _ = try("-n", s.home, "logs", name)
			return answer != ""
		})
		if got := answer == "reached"; got != (name == "free") {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

// What the enforcer has done outlives it, and pods wait for it to come back. The
// other tests run after this one, as they are parallel.
func TestNoPodStartsWithoutTheEnforcer(t *testing.T) {
	s := set(t)
	s.policy(t, "deny", "{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}")
	s.become(t, nil, []string{"near tcp server 8080"})
	order(t, "stop", "network-policy")
	t.Cleanup(func() { order(t, "start", "network-policy") })
	s.become(t, []string{"near tcp far 8080"}, []string{"near tcp server 8080"})
	apply(t, podOn(nodes(t)[0], s.home, "late", "app: late", fmt.Sprintf("insist, tcp, '%s:8080'", s.server)))
	within(t, "kubelet says why the pod waits", func() bool {
		events, _ := try("-n", s.home, "get", "events", "--field-selector", "involvedObject.name=late", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(events, "network-policy does not answer")
	})
	order(t, "start", "network-policy")
	running(t, s.home, "late")
	s.become(t, []string{"far tcp near 8080"}, []string{"near tcp server 8080"})
}
