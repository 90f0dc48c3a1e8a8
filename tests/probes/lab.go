package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long the cluster may take to do what it is told.
const patience = 5 * time.Minute

// lab is the running lab, and this program as an image in it.
type lab struct {
	folder  string // LAB_DIR
	project string
	binary  string
	image   string // by digest
}

const imageName = "lab.invalid/probe:dev"

// failure is of a program, with what it said of it.
type failure struct {
	command, said string
	cause         error
}

func (f failure) Error() string { return fmt.Sprintf("%s: %v: %s", f.command, f.cause, f.said) }

func (f failure) Unwrap() error { return f.cause }

// call runs a program and returns what it prints.
func (l lab) call(ctx context.Context, input string, command ...string) (string, error) {
	var complaint bytes.Buffer
	each := exec.CommandContext(ctx, command[0], command[1:]...)
	each.Stdin, each.Stderr = strings.NewReader(input), &complaint
	each.Env = append(os.Environ(), "LAB_DIR="+l.folder)
	text, err := each.Output()
	if err != nil {
		return string(text), failure{strings.Join(command, " "), strings.TrimSpace(complaint.String()), err}
	}
	return strings.TrimSpace(string(text)), nil
}

func (l lab) order(ctx context.Context, words ...string) (string, error) {
	return l.call(ctx, "", append([]string{filepath.Join(l.project, "deploy/lab/lab.sh")}, words...)...)
}

func (l lab) kubectl(ctx context.Context, words ...string) (string, error) {
	return l.call(ctx, "", append([]string{filepath.Join(l.folder, "kubectl")}, words...)...)
}

// give applies manifests. What the kinds don't know is sent too: the API server has to drop it.
func (l lab) give(ctx context.Context, manifests string) error {
	_, err := l.call(ctx, manifests, filepath.Join(l.folder, "kubectl"), "apply", "--validate=ignore", "-f", "-")
	return err
}

// tried is what the API server would make of a manifest.
func (l lab) tried(ctx context.Context, manifest string) (map[string]any, error) {
	text, err := l.call(ctx, manifest, filepath.Join(l.folder, "kubectl"), "create", "--validate=ignore", "--dry-run=server", "-o", "json", "-f", "-")
	if err != nil {
		return nil, err
	}
	var made map[string]any
	return made, json.Unmarshal([]byte(text), &made)
}

// within waits for a condition.
func within(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var last error
	for {
		ok, err := holds()
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %s: %w", patience, what, last)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// put asks the agent of a pod.
func (l lab) put(ctx context.Context, where place, question Question) ([]Finding, error) {
	text, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	said, err := l.call(ctx, string(text), filepath.Join(l.folder, "kubectl"), "-n", where.namespace, "exec", "-i", where.pod, "-c", "agent", "--", "/probe", "ask")
	if err != nil {
		return nil, err
	}
	var findings []Finding
	if err := json.Unmarshal([]byte(said), &findings); err != nil {
		return nil, fmt.Errorf("%s/%s says %q: %w", where.namespace, where.pod, said, err)
	}
	return findings, nil
}

// one asks for a single probe.
func (l lab) one(ctx context.Context, where place, name string, question Question) (Finding, error) {
	question.Probes = []string{name}
	findings, err := l.put(ctx, where, question)
	if err != nil {
		return Finding{}, err
	}
	if len(findings) != 1 {
		return Finding{}, fmt.Errorf("%s has %d answers", name, len(findings))
	}
	return findings[0], nil
}

// prepare puts this program into the lab. Policies are enforced there afterwards or not, as said.
func prepare(ctx context.Context, l *lab, policies string) error {
	if _, err := l.order(ctx, "up", policies); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "probes-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	archive := filepath.Join(folder, "probe.tar")
	if _, err := l.order(ctx, "image", l.binary, archive, "--tag", imageName, "--path", "/probe", "--user", "0:0",
		"--file", "/setuid:4755", "--folder", "/var/tmp:1777", "--folder", "/usr/local:0755"); err != nil {
		return err
	}
	said, err := l.order(ctx, "load", archive)
	if err != nil {
		return err
	}
	_, digest, ok := strings.Cut(strings.Fields(said)[len(strings.Fields(said))-1], "sha256:")
	if !ok {
		return fmt.Errorf("no digest in %q", said)
	}
	repository, _, _ := strings.Cut(imageName, ":")
	l.image = repository + "@sha256:" + digest
	return nil
}

// place is a pod.
type place struct{ namespace, pod string }

// pod is what is of interest in one.
type pod struct {
	Metadata struct {
		Name, UID       string
		Labels          map[string]string
		Annotations     map[string]string
		OwnerReferences []struct{ Kind, Name string }
	}
	Spec struct {
		NodeName, ServiceAccountName string
		HostNetwork, HostPID         bool
		Tolerations                  []struct{ Key string }
		Volumes                      []map[string]any
		Containers                   []struct {
			SecurityContext struct{ Privileged bool }
		}
	}
	Status struct {
		Phase, Reason, PodIP  string
		ContainerStatuses     []containerStatus
		InitContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	Name         string
	Ready        bool
	RestartCount int
	ContainerID  string
}

func (l lab) pod(ctx context.Context, where place) (pod, error) {
	return get[pod](ctx, l, where.namespace, "pod", where.pod)
}

func get[T any](ctx context.Context, l lab, namespace, kind, name string) (T, error) {
	var found T
	text, err := l.kubectl(ctx, "-n", namespace, "get", kind, name, "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(text), &found)
	}
	return found, err
}

// ready waits for a pod that is nobody's agent.
func (l lab) ready(ctx context.Context, where place) error {
	_, err := l.kubectl(ctx, "-n", where.namespace, "wait", "--for=condition=Ready", "pod/"+where.pod, "--timeout="+patience.String())
	return err
}

// cell is what is of interest in a MissionCell.
type cell struct {
	Status struct {
		Agents []struct {
			Name, State, PodName, PodUID string
			LastEnd                      struct{ Cause string }
		}
		Conditions []struct{ Type, Status, Message string }
	}
}

func (l lab) cell(ctx context.Context, namespace, name string) (cell, error) {
	return get[cell](ctx, l, namespace, "missioncell", name)
}

// alive waits until all agents of a mission are, and says in which pods.
func (l lab) alive(ctx context.Context, namespace, name string, agents int) (map[string]place, error) {
	pods := map[string]place{}
	var said string
	err := within(ctx, "all agents of "+namespace+"/"+name+" are alive", func() (bool, error) {
		found, err := l.cell(ctx, namespace, name)
		clear(pods)
		for _, agent := range found.Status.Agents {
			if agent.State == "Alive" {
				pods[agent.Name] = place{namespace, agent.PodName}
			}
		}
		said = fmt.Sprint(found.Status.Conditions)
		return len(pods) == agents, err
	})
	if err != nil {
		err = fmt.Errorf("%w; it says %s", err, said)
	}
	return pods, err
}
