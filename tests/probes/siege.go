package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Names of the missions.
const (
	attackers = "attackers"
	others    = "others"
	strangers = "strangers"
)

const (
	apiServer  = "10.96.0.1:443"
	nameServer = "10.96.0.10"
	internet   = "203.0.113.5"
	audience   = "lazarus-gateway"
)

// metadata are the addresses of providers' metadata services. The lab's network
// is IPv4: the last is tried, and nothing in the lab could have it.
var metadata = []string{"169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"}

// siege is one run of all probes.
type siege struct {
	lab                  lab
	number               int
	marker, secret, word string
	hostFile             string
	gateway              string
	stranger             place
	// loose are the agents at None.
	loose map[string]place
}

func (s *siege) space(of string) string {
	return fmt.Sprintf("probes-%d-%s", s.number, strings.ToLower(of))
}

// findings are by column and probe.
type findings map[string]map[string]Finding

func (s *siege) run(ctx context.Context, told func(string)) (findings, error) {
	if err := s.setUp(ctx, told); err != nil {
		return nil, err
	}
	found := findings{}
	told("where nothing stops it")
	control, err := s.attackFree(ctx)
	if err != nil {
		return nil, err
	}
	found[unhindered] = control
	var lock sync.Mutex
	var group sync.WaitGroup
	var problems []error
	for _, level := range levels {
		group.Go(func() {
			one, err := s.attackLevel(ctx, level)
			lock.Lock()
			defer lock.Unlock()
			told("at " + level)
			found[level] = one
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", level, err))
			}
		})
	}
	group.Wait()
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	// Whoever filled its disk has gone by now; who has no limit has not.
	unlimited, err := s.lab.pod(ctx, place{s.space("control"), "unlimited"})
	if err != nil {
		return nil, err
	}
	control["P38"] = Finding{Probe: "P38", Succeeded: unlimited.Status.Phase == "Running", Detail: "a pod without limits is " + unlimited.Status.Phase}
	control["P37"], err = s.harmShows(ctx)
	if err != nil {
		return nil, err
	}
	// Both look for harm in the same way.
	control["P38"] = Finding{Probe: "P38", Succeeded: control["P37"].Succeeded && control["P38"].Succeeded, Detail: control["P37"].Detail + "; " + control["P38"].Detail}
	told("floods")
	return found, s.floods(ctx, found)
}

func (s *siege) setUp(ctx context.Context, told func(string)) error {
	told("missions")
	spaces := []string{s.space("control"), s.space("stranger")}
	for _, level := range levels {
		spaces = append(spaces, s.space(level))
	}
	for _, space := range spaces {
		if _, err := s.lab.kubectl(ctx, "create", "namespace", space); err != nil {
			return err
		}
	}
	manifests := s.abroad()
	for _, level := range levels {
		manifests += s.besieged(level)
	}
	if err := s.lab.give(ctx, manifests); err != nil {
		return err
	}
	if err := os.WriteFile(s.hostFile, []byte(s.marker), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(s.hostFile, 0o644); err != nil {
		return err
	}
	for _, where := range []place{{s.space("control"), "outside"}, {s.space("control"), "unlimited"}, {"kube-system", "probe-names"}} {
		if err := s.lab.ready(ctx, where); err != nil {
			return err
		}
	}
	if err := s.leadOutside(ctx); err != nil {
		return err
	}
	pods, err := s.lab.alive(ctx, s.space("stranger"), strangers, 1)
	if err != nil {
		return err
	}
	s.stranger = pods["spy"]
	for _, level := range levels {
		if _, err := s.lab.alive(ctx, s.space(level), attackers, 5); err != nil {
			return err
		}
		if _, err := s.lab.alive(ctx, s.space(level), others, 1); err != nil {
			return err
		}
	}
	s.gateway, err = s.lab.kubectl(ctx, "-n", "lazarus-pit", "get", "service", "lazarus-gateway", "-o", "jsonpath={.spec.clusterIP}:443")
	return err
}

// tearDown also ends what is left of a run that failed.
func (s *siege) tearDown(ctx context.Context) {
	_ = os.Remove(s.hostFile)
	spaces := []string{"delete", "namespace", "--ignore-not-found", "--timeout=2m", s.space("control"), s.space("stranger")}
	for _, level := range levels {
		spaces = append(spaces, s.space(level))
	}
	if _, err := s.lab.kubectl(ctx, "-n", "kube-system", "delete", "--ignore-not-found", "--timeout=2m", "pod/probe-names", "service/probe-names"); err != nil {
		fmt.Println("left behind:", err)
	}
	if _, err := s.lab.kubectl(ctx, spaces...); err != nil {
		fmt.Println("left behind:", err)
	}
}

// leadOutside gives the pod `outside` the addresses that no pod has, and the
// node ways to them: no packet leaves the machine.
func (s *siege) leadOutside(ctx context.Context) error {
	outside, err := s.lab.pod(ctx, place{s.space("control"), "outside"})
	if err != nil {
		return err
	}
	id := strings.TrimPrefix(outside.Status.ContainerStatuses[0].ContainerID, "containerd://")
	script := fmt.Sprintf("set -e; link=$(%s); pid=$(ctr tasks list | awk '$1 == \"%s\" { print $2 }')\n", linkOf(outside.Status.PodIP), id)
	for _, address := range append(slices.Clone(metadata), internet) {
		if !strings.Contains(address, ":") {
			script += fmt.Sprintf("nsenter --target $pid --net ip address add %[1]s/32 dev lo; ip route replace %[1]s via %[2]s dev $link\n", address, outside.Status.PodIP)
		}
	}
	_, err = s.lab.order(ctx, "exec-node", "--node", outside.Spec.NodeName, "--", "sh", "-c", script)
	return err
}

// linkOf prints the node's end of a pod's link.
func linkOf(address string) string {
	return fmt.Sprintf("ip -o route get %s | sed 's/.* dev \\([^ ]*\\).*/\\1/'", address)
}

var local6 = regexp.MustCompile(`inet6 (fe80:[0-9a-f:]+)/`)

// linkLocal is where a pod finds its node without any route.
func (l lab) linkLocal(ctx context.Context, address string) (string, error) {
	text, err := l.order(ctx, "exec-node", "--", "sh", "-c", fmt.Sprintf("ip -6 -o address show dev $(%s)", linkOf(address)))
	if err != nil {
		return "", err
	}
	match := local6.FindStringSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("the node's end of the link has no IPv6 address: %q", text)
	}
	return fmt.Sprintf("tcp [%s%%eth0]:%d", match[1], agentPort), nil
}

// onTheNode has the node listen.
func (l lab) onTheNode(ctx context.Context) (*exec.Cmd, error) {
	listener := exec.CommandContext(ctx, filepath.Join(l.project, "deploy/lab/lab.sh"), "exec-node", "--", l.binary, "agent")
	listener.Env = append(os.Environ(), "LAB_DIR="+l.folder)
	// The program on the node is a child of the one that is started.
	listener.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	listener.Cancel = func() error { return syscall.Kill(-listener.Process.Pid, syscall.SIGKILL) }
	if err := listener.Start(); err != nil {
		return nil, err
	}
	err := within(ctx, "the node listens", func() (bool, error) {
		_, err := l.order(ctx, "exec-node", "--", l.binary, "reach", "tcp", fmt.Sprintf("[::1]:%d", agentPort))
		return err == nil, err
	})
	if err != nil {
		end(listener)
	}
	return listener, err
}

func end(listener *exec.Cmd) {
	_ = listener.Cancel()
	_ = listener.Wait()
}

// volumeOf is the folder of a mission's workspace on the node.
func (s *siege) volumeOf(ctx context.Context, level, mission string) (string, error) {
	name, err := s.lab.kubectl(ctx, "-n", s.space(level), "get", "persistentvolumeclaim", mission+"-workspace", "-o", "jsonpath={.spec.volumeName}")
	if err != nil {
		return "", err
	}
	return s.lab.kubectl(ctx, "get", "persistentvolume", name, "-o", "jsonpath={.spec.local.path}")
}

// token is one of a pod's account, bound to the pod if there is one.
func (s *siege) token(ctx context.Context, where place, audience string) (string, error) {
	words := []string{"-n", where.namespace, "create", "token", "default"}
	if audience != "" {
		words = append(words, "--audience", audience)
	}
	if where.pod != "" {
		words = append(words, "--bound-object-kind", "Pod", "--bound-object-name", where.pod)
	}
	return s.lab.kubectl(ctx, words...)
}

// forged says that it is another one, and that it needs no signature.
func forged(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

// question is what the pod with this address is told, at a level or as if it were there.
func (s *siege) question(ctx context.Context, level, address string) (Question, error) {
	folder, err := s.volumeOf(ctx, level, others)
	if err != nil {
		return Question{}, err
	}
	socket, err := s.lab.order(ctx, "exec-node", "--", "sh", "-c", "echo $CONTAINERD_ADDRESS")
	if err != nil {
		return Question{}, err
	}
	outside, err := s.lab.pod(ctx, place{s.space("control"), "outside"})
	if err != nil {
		return Question{}, err
	}
	service, err := s.lab.kubectl(ctx, "-n", s.space("control"), "get", "service", "outside", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return Question{}, err
	}
	spies, err := s.lab.alive(ctx, s.space(level), others, 1)
	if err != nil {
		return Question{}, err
	}
	spy, err := s.lab.pod(ctx, spies["spy"])
	if err != nil {
		return Question{}, err
	}
	local, err := s.lab.linkLocal(ctx, address)
	if err != nil {
		return Question{}, err
	}
	network := Network{
		Others: []string{
			fmt.Sprintf("tcp %s:%d", outside.Status.PodIP, agentPort), fmt.Sprintf("udp %s:%d", outside.Status.PodIP, agentPort),
			fmt.Sprintf("tcp %s:80", service), fmt.Sprintf("tcp %s:%d", spy.Status.PodIP, agentPort),
		},
		Outside:    []string{fmt.Sprintf("tcp %s:%d", internet, agentPort), fmt.Sprintf("udp %s:%d", internet, agentPort)},
		LinkLocal:  []string{local},
		NameServer: nameServer, APIServer: apiServer, Gateway: s.gateway,
	}
	for _, address := range metadata {
		if strings.Contains(address, ":") {
			address = "[" + address + "]"
		}
		network.Metadata = append(network.Metadata, fmt.Sprintf("tcp %s:%d", address, metadataPort))
	}
	return Question{
		Marker: s.marker, Neighbour: "/workspace/agents/neighbour/secret", HostFile: s.hostFile, Process: s.word, Secret: s.secret,
		Strangers: []string{filepath.Join(folder, "agents/spy/secret")}, Sockets: []string{socket}, Network: network,
	}, nil
}

// fromWithin are the probes that a pod is asked all at once.
func fromWithin() []string {
	names := []string{"P47"}
	for _, each := range slices.Concat(localProbes, networkProbes) {
		if each.name != "P31" && each.name != "P42" {
			names = append(names, each.name)
		}
	}
	return names
}

func byName(list []Finding) map[string]Finding {
	named := map[string]Finding{}
	for _, finding := range list {
		named[finding.Probe] = finding
	}
	return named
}
