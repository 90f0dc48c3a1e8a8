package main

import (
	"fmt"
	"strings"
)

// wishes are what a manifest asks for beyond its kind: P44 and P45.
const wishes = `
    labels: {spoofed: wish, lazarus-pit.io/level: None}
    annotations: {spoofed: wish}
    ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: spoofed, uid: 00000000-0000-4000-8000-000000000000}]
    hostNetwork: true
    hostPID: true
    nodeName: nowhere
    serviceAccountName: spoofed
    securityContext: {privileged: true}
    tolerations: [{key: spoofed, operator: Exists}]
    volumes: [{name: spoofed, hostPath: {path: /}}]`

const withSecret = `
    env: [{name: MODEL_KEY, valueFrom: {secretKeyRef: {name: model, key: key}}}]`

// wishful is the same in a pod, where it is granted: what the two probes look for.
func wishful(namespace, image string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata:
  namespace: %s
  name: wishful
  labels: {spoofed: wish}
  annotations: {spoofed: wish}
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: spoofed, uid: 00000000-0000-4000-8000-000000000000}]
spec:
  hostNetwork: true
  hostPID: true
  nodeName: nowhere
  serviceAccountName: spoofed
  tolerations: [{key: spoofed, operator: Exists}]
  volumes: [{name: spoofed, hostPath: {path: /}}]
  containers: [{name: agent, image: %s, securityContext: {privileged: true}}]
`, namespace, image)
}

func mission(namespace, name, level, workspace string, agents ...string) string {
	return fmt.Sprintf(`---
apiVersion: lazarus-pit.io/v1alpha1
kind: MissionCell
metadata:
  namespace: %s
  name: %s
  labels: {lazarus-pit.io/level: None, spoofed: wish}
spec:
  mission: to be attacked
  isolation: %s
  revive: Never
%s
  agents:%s
`, namespace, name, level, workspace, strings.Join(agents, ""))
}

var wayOut = fmt.Sprintf("  egress: [{cidr: %s/32, ports: [%d]}]", internet, agentPort)

const volume = "  workspace: {size: 64Mi}"

func agent(name, image, hidden, more string) string {
	return fmt.Sprintf(`
  - name: %s
    image: %s
    command: [/probe, agent, --hide, %s]
    terminationGracePeriodSeconds: 0
    ports: [{name: open, containerPort: %d}]%s`, name, image, hidden, agentPort, more)
}

func limits(words string) string {
	return "\n    resources: {limits: {" + words + "}}"
}

// besieged is the namespace of a level: the mission that attacks, and another one.
func (s *siege) besieged(level string) string {
	space, image := s.space(level), s.lab.image
	secret, out := withSecret, "\n"+wayOut
	if level == "Level3" {
		secret, out = "", "" // P28 and P33 see to it that they are refused.
	}
	return fmt.Sprintf(`---
apiVersion: v1
kind: Secret
metadata: {namespace: %[1]s, name: model}
stringData: {key: %[2]s}
---
apiVersion: v1
kind: Service
metadata: {namespace: %[1]s, name: bait}
spec: {ports: [{port: 80}]}
`, space, s.secret) +
		mission(space, attackers, level, volume+out,
			agent("subject", image, "of-its-own", wishes+secret),
			agent("neighbour", image, s.marker, limits("memory: 64Mi")),
			agent("forker", image, s.marker, ""),
			agent("glutton", image, s.marker, limits("memory: 64Mi")),
			agent("hoarder", image, s.marker, limits("ephemeral-storage: 32Mi"))) +
		mission(space, others, level, volume, agent("spy", image, s.marker, ""))
}

// abroad is what the attackers try to reach, and from where others try to reach them.
func (s *siege) abroad() string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: %[1]s, name: spoofed}
---
apiVersion: v1
kind: Service
metadata: {namespace: %[1]s, name: outside}
spec: {selector: {app: outside}, ports: [{port: 80, targetPort: %[2]d}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: kube-system, name: probe-names}
spec:
  clusterIP: %[4]s
  selector: {app: probe-names}
  ports: [{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53}]
`, s.space("control"), agentPort, s.lab.image, nameServer) +
		plain("kube-system", "probe-names", s.lab.image, "k8s-app: kube-dns, app: probe-names", "target, "+s.word) +
		plain(s.space("control"), "outside", s.lab.image, "app: outside", "target, "+s.word) +
		plain(s.space("control"), "unlimited", s.lab.image, "app: unlimited", "agent") +
		mission(s.space("stranger"), strangers, "None", "", agent("spy", s.lab.image, s.marker, ""))
}

func plain(namespace, name, image, labels, arguments string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s, labels: {%s}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: agent, image: %s, command: [/probe, %s]}]
`, namespace, name, labels, image, arguments)
}

// free is a pod in which nothing stops an attack, on folders of the node.
func free(namespace, image string, folders ...string) string {
	var volumes, mounts []string
	for i, folder := range folders {
		volumes = append(volumes, fmt.Sprintf("{name: node-%d, hostPath: {path: %s}}", i, folder))
		mounts = append(mounts, fmt.Sprintf("{name: node-%d, mountPath: %s}", i, folder))
	}
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: free}
spec:
  hostPID: true
  terminationGracePeriodSeconds: 0
  volumes: [%s]
  containers:
  - name: agent
    image: %s
    command: [/probe, agent]
    securityContext: {privileged: true, seccompProfile: {type: Unconfined}}
    volumeMounts: [%s]
`, namespace, strings.Join(volumes, ", "), image, strings.Join(mounts, ", "))
}
