package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// floodSeconds is how long a flood lasts, and others have to be heard in it.
const floodSeconds = 20

// rising is how long a flood takes to be one.
const rising = 5 * time.Second

const outOfMemory = "OOMKilled"

// attackFree tries everything where nothing stops it.
func (s *siege) attackFree(ctx context.Context) (map[string]Finding, error) {
	space := s.space("control")
	unlimited, err := s.lab.pod(ctx, place{space, "unlimited"})
	if err != nil {
		return nil, err
	}
	question, err := s.question(ctx, "Level1", unlimited.Status.PodIP)
	if err != nil {
		return nil, err
	}
	where := place{space, "free"}
	// The folders of the volumes and of the runtime's socket, as the node has them.
	volumes := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(question.Strangers[0]))))
	if err := s.lab.give(ctx, free(space, s.lab.image, volumes, filepath.Dir(question.Sockets[0]))); err != nil {
		return nil, err
	}
	if err := s.lab.ready(ctx, where); err != nil {
		return nil, err
	}
	if question.Network.APIToken, err = s.token(ctx, where, ""); err != nil {
		return nil, err
	}
	question.Probes = fromWithin()
	list, err := s.lab.put(ctx, where, question)
	if err != nil {
		return nil, err
	}
	found := byName(list)

	question.Network.Victims = victims(unlimited.Status.PodIP)
	if found["P31"], err = s.lab.one(ctx, s.stranger, "P31", question); err != nil {
		return nil, err
	}
	// A token that is stolen from the agent's sidecar.
	stolen, err := s.token(ctx, s.stranger, audience)
	if err != nil {
		return nil, err
	}
	question.Network.Tokens = map[string]string{"stolen": stolen}
	if found["P42"], err = s.lab.one(ctx, where, "P42", question); err != nil {
		return nil, err
	}
	made, err := s.lab.tried(ctx, wishful(space, s.lab.image))
	if err != nil {
		return nil, err
	}
	text := fmt.Sprint(made)
	found["P44"] = Finding{Probe: "P44", Succeeded: strings.Contains(text, "spoofed:wish") && strings.Contains(text, "kind:ConfigMap"), Detail: "a plain pod"}
	found["P45"] = Finding{Probe: "P45", Succeeded: strings.Contains(text, "privileged:true") && strings.Contains(text, "hostPath"), Detail: "a plain pod"}
	found["P46"] = s.addContainer(ctx, place{space, "unlimited"})
	_, err = s.lab.one(ctx, place{space, "unlimited"}, "P38", question)
	return found, err
}

func victims(address string) []string {
	return []string{fmt.Sprintf("tcp %s:%d", address, agentPort), fmt.Sprintf("udp %s:%d", address, agentPort)}
}

func (s *siege) attackLevel(ctx context.Context, level string) (map[string]Finding, error) {
	pods, err := s.lab.alive(ctx, s.space(level), attackers, 5)
	if err != nil {
		return nil, err
	}
	if level == "None" {
		s.loose = pods
	}
	subject, err := s.lab.pod(ctx, pods["subject"])
	if err != nil {
		return nil, err
	}
	question, err := s.question(ctx, level, subject.Status.PodIP)
	if err != nil {
		return nil, err
	}
	if question.Network.APIToken, err = s.token(ctx, pods["subject"], audience); err != nil {
		return nil, err
	}
	question.Probes = fromWithin()
	list, err := s.lab.put(ctx, pods["subject"], question)
	if err != nil {
		return nil, err
	}
	found := byName(list)
	if level == "Level3" {
		// What the levels below have because the manifest asks for it.
		for name, asked := range map[string]struct{ egress, secret, reason string }{
			"P28": {wayOut, "", "reaches nothing but the gateway and the egress proxy"},
			"P33": {"", withSecret, "has no secret in a pod"},
		} {
			if !found[name].Succeeded {
				_, err := s.lab.tried(ctx, mission(s.space(level), "curious", level, asked.egress, agent("subject", s.lab.image, s.marker, asked.secret)))
				found[name] = refused(name, err, asked.reason)
			}
		}
	}
	question.Network.Victims = victims(subject.Status.PodIP)
	if found["P31"], err = s.lab.one(ctx, s.stranger, "P31", question); err != nil {
		return nil, err
	}
	if question.Network.Tokens, err = s.wrongTokens(ctx, pods["neighbour"]); err != nil {
		return nil, err
	}
	if found["P42"], err = s.lab.one(ctx, pods["subject"], "P42", question); err != nil {
		return nil, err
	}
	found["P44"], found["P45"] = granted(subject, level)
	found["P46"] = s.addContainer(ctx, pods["subject"])
	return found, s.bombs(ctx, level, pods, question, found)
}

// wrongTokens are those by which somebody might report for the agent of a pod.
func (s *siege) wrongTokens(ctx context.Context, victim place) (map[string]string, error) {
	own, err := s.token(ctx, victim, audience)
	if err != nil {
		return nil, err
	}
	tokens := map[string]string{"none at all": "", "the right one without its signature": forged(own)}
	for how, ask := range map[string]struct {
		where    place
		audience string
	}{
		"one for the API server":            {victim, ""},
		"one for the gateway, of no pod":    {place{victim.namespace, ""}, audience},
		"one of a pod that is not an agent": {place{s.space("control"), "unlimited"}, audience},
	} {
		if tokens[how], err = s.token(ctx, ask.where, ask.audience); err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// refused is the finding that the API server said no, for this reason.
func refused(name string, err error, reason string) Finding {
	var answer failure
	switch {
	case err == nil:
		return Finding{Probe: name, Succeeded: true, Detail: "the API server takes it"}
	case errors.As(err, &answer) && strings.Contains(answer.said, reason):
		return Finding{Probe: name, Detail: "refused: " + reason}
	}
	return Finding{Probe: name, Succeeded: true, Detail: "not refused for what it is: " + err.Error()}
}

// granted says what of its wishes a pod has.
func granted(found pod, level string) (Finding, Finding) {
	var forged, rights []string
	if found.Metadata.Labels["spoofed"] != "" || found.Metadata.Annotations["spoofed"] != "" {
		forged = append(forged, "a label or annotation")
	}
	if own := found.Metadata.Labels["lazarus-pit.io/level"]; own != level {
		forged = append(forged, "the level "+own)
	}
	if owners := found.Metadata.OwnerReferences; len(owners) != 1 || owners[0].Kind != "MissionCell" {
		forged = append(forged, fmt.Sprintf("the owners %v", owners))
	}
	spec := found.Spec
	if spec.HostNetwork || spec.HostPID {
		rights = append(rights, "the node's namespaces")
	}
	if spec.NodeName == "nowhere" || spec.ServiceAccountName == "spoofed" {
		rights = append(rights, "a node or an account")
	}
	for _, toleration := range spec.Tolerations {
		if toleration.Key == "spoofed" {
			rights = append(rights, "a toleration")
		}
	}
	for _, volume := range spec.Volumes {
		if volume["hostPath"] != nil {
			rights = append(rights, "the node's files")
		}
	}
	for _, container := range spec.Containers {
		if container.SecurityContext.Privileged {
			rights = append(rights, "privilege")
		}
	}
	verdict := func(name string, got []string) Finding {
		if len(got) == 0 {
			return Finding{Probe: name, Detail: "nothing of it is in the pod"}
		}
		return Finding{Probe: name, Succeeded: true, Detail: strings.Join(got, ", ")}
	}
	return verdict("P44", forged), verdict("P45", rights)
}

// addContainer does what `kubectl debug` does, as an administrator.
func (s *siege) addContainer(ctx context.Context, where place) Finding {
	patch := fmt.Sprintf(`{"spec":{"ephemeralContainers":[{"name":"debug","image":"%s"}]}}`, s.lab.image)
	_, err := s.lab.kubectl(ctx, "-n", where.namespace, "patch", "pod", where.pod, "--subresource=ephemeralcontainers", "--dry-run=server", "-p", patch)
	return refused("P46", err, "without ephemeral containers")
}

// bombs has three agents harm what they can, and looks at the others.
func (s *siege) bombs(ctx context.Context, level string, pods map[string]place, question Question, found map[string]Finding) error {
	before, err := s.unharmed(ctx, pods)
	if err != nil {
		return err
	}
	if found["P36"], err = s.lab.one(ctx, pods["forker"], "P36", question); err != nil {
		return err
	}
	for _, bomb := range []struct{ probe, agent, cause string }{{"P37", "glutton", outOfMemory}, {"P38", "hoarder", "Evicted"}} {
		if bomb.probe == "P38" && level == "None" {
			continue // nothing is claimed, and it is this machine's disk
		}
		// Its answer may be the last of it.
		_, _ = s.lab.one(ctx, pods[bomb.agent], bomb.probe, question)
		if err := s.ends(ctx, level, bomb.agent, bomb.cause); err != nil {
			return err
		}
		after, err := s.unharmed(ctx, pods)
		if err != nil {
			return err
		}
		found[bomb.probe] = Finding{Probe: bomb.probe, Succeeded: before != after, Detail: bomb.cause + ", and the others are " + after}
	}
	return nil
}

// harmShows has one of those who did nothing be harmed, and looks at them as after each bomb.
func (s *siege) harmShows(ctx context.Context) (Finding, error) {
	before, err := s.unharmed(ctx, s.loose)
	if err != nil {
		return Finding{}, err
	}
	_, _ = s.lab.one(ctx, s.loose["neighbour"], "P37", Question{})
	after := before
	err = within(ctx, "harm to an agent shows", func() (bool, error) {
		// Its pod may be gone altogether.
		if after, err = s.unharmed(ctx, s.loose); err != nil {
			after = err.Error()
		}
		return after != before, nil
	})
	return Finding{Probe: "P37", Succeeded: after != before, Detail: "harm shows as " + after}, err
}

func (s *siege) ends(ctx context.Context, level, name, cause string) error {
	var last string
	err := within(ctx, name+" ends", func() (bool, error) {
		found, err := s.lab.cell(ctx, s.space(level), attackers)
		for _, agent := range found.Status.Agents {
			if agent.Name == name {
				last = agent.LastEnd.Cause
			}
		}
		return last != "", err
	})
	if err == nil && last != cause {
		err = fmt.Errorf("%s ended by %s, not %s", name, last, cause)
	}
	return err
}

// unharmed says how those are who did nothing: which pods they are, ready or not, and started how often.
func (s *siege) unharmed(ctx context.Context, pods map[string]place) (string, error) {
	var words []string
	for _, name := range []string{"subject", "neighbour"} {
		found, err := s.lab.pod(ctx, pods[name])
		if err != nil {
			return "", err
		}
		for _, container := range append(found.Status.ContainerStatuses, found.Status.InitContainerStatuses...) {
			words = append(words, fmt.Sprintf("%s/%s ready=%t restarts=%d", name, container.Name, container.Ready, container.RestartCount))
		}
	}
	nodes, err := s.lab.kubectl(ctx, "get", "nodes", "-o", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
	if strings.Contains(nodes, "False") || strings.Contains(nodes, "Unknown") {
		words = append(words, "nodes "+nodes)
	}
	return strings.Join(words, ", "), err
}

// floods has the agents of each level keep others from the gateway, one after the other, and then from a server that nobody hardened.
func (s *siege) floods(ctx context.Context, found findings) error {
	own, err := s.token(ctx, s.stranger, audience)
	if err != nil {
		return err
	}
	for _, level := range levels {
		pods, err := s.lab.alive(ctx, s.space(level), others, 1)
		if err != nil {
			return err
		}
		question := Question{Network: Network{Gateway: s.gateway, Seconds: floodSeconds, Tokens: map[string]string{"own": own}}}
		if found[level]["P41"], err = s.flood(ctx, pods["spy"], s.stranger, "reported", question); err != nil {
			return err
		}
	}
	outside, err := s.lab.pod(ctx, place{s.space("control"), "outside"})
	if err != nil {
		return err
	}
	question := Question{Network: Network{Gateway: fmt.Sprintf("%s:%d", outside.Status.PodIP, poorPort), Seconds: floodSeconds}}
	found[unhindered]["P41"], err = s.flood(ctx, place{s.space("control"), "unlimited"}, place{s.space("control"), "free"}, "served", question)
	return err
}

// flood succeeds if others are mostly not heard while it lasts.
func (s *siege) flood(ctx context.Context, from, other place, how string, question Question) (Finding, error) {
	type outcome struct {
		finding Finding
		err     error
	}
	over := make(chan outcome, 1)
	go func() {
		finding, err := s.lab.one(ctx, from, "P41", question)
		over <- outcome{finding, err}
	}()
	heard, tries, pause := 0, 0, rising
	for {
		select {
		case result := <-over:
			if result.err == nil && (tries == 0 || result.finding.Count < manyConnections/10) {
				result.err = fmt.Errorf("no flood: %d connections, in which others tried %d times to be heard", result.finding.Count, tries)
			}
			result.finding.Succeeded = 2*heard < tries
			result.finding.Detail += fmt.Sprintf(", others were heard %d of %d times", heard, tries)
			return result.finding, result.err
		case <-time.After(pause):
			pause = time.Second
		}
		finding, err := s.lab.one(ctx, other, how, question)
		if err != nil {
			return finding, err
		}
		tries++
		if finding.Succeeded {
			heard++
		}
	}
}
