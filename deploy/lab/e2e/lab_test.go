//go:build lab

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	image = "lab.invalid/probe:e2e"
	// Nothing here takes long, but the machine may be busy.
	patience = 3 * time.Minute
)

// lab is the folder of the lab that is tested.
var lab string

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// prepare puts the probe into the lab.
func prepare() error {
	if lab = os.Getenv("LAB_DIR"); lab == "" {
		lab = "../../../.lab"
	}
	absolute, err := filepath.Abs(lab)
	if err != nil {
		return err
	}
	lab = absolute
	folder, err := os.MkdirTemp("", "lab-e2e-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	binary, archive := filepath.Join(folder, "probe"), filepath.Join(folder, "probe.tar")
	for _, command := range [][]string{
		{"go", "build", "-buildvcs=false", "-trimpath", "-o", binary, "./probe"},
		{"../lab.sh", "image", binary, archive, "--tag", image, "--path", "/probe"},
		{"../lab.sh", "load", archive},
	} {
		each := exec.Command(command[0], command[1:]...)
		each.Env = append(os.Environ(), "LAB_DIR="+lab, "CGO_ENABLED=0")
		if text, err := each.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", command, err, text)
		}
	}
	return nil
}

func try(arguments ...string) (string, error) {
	var complaint bytes.Buffer
	command := exec.Command(filepath.Join(lab, "kubectl"), arguments...)
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, complaint.String())
	}
	return strings.TrimSpace(string(text)), err
}

func kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	text, err := try(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func apply(t *testing.T, manifests string) {
	t.Helper()
	command := exec.Command(filepath.Join(lab, "kubectl"), "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifests)
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, text, manifests)
	}
}

// namespace makes one that goes with the test.
func namespace(t *testing.T, name string) string {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, time.Now().UnixNano())
	kubectl(t, "create", "namespace", name)
	t.Cleanup(func() { _, _ = try("delete", "namespace", name, "--wait=false") })
	return name
}

// within waits for a condition, and asks again as fast as it answers.
func within(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// nodes are the lab's, by name.
func nodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
}

// podOn is a pod that runs the probe.
func podOn(node, namespace, name, labels, arguments string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s, labels: {%s}}
spec:
  nodeName: %q
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers: [{name: probe, image: %s, command: [/probe], args: [%s]}]
`, namespace, name, labels, node, image, arguments)
}

func running(t *testing.T, namespace string, pods ...string) {
	t.Helper()
	for _, pod := range pods {
		kubectl(t, "-n", namespace, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout="+patience.String())
	}
}

func addressOf(t *testing.T, namespace, pod string) string {
	t.Helper()
	return kubectl(t, "-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
}

// order gives one to a part of the lab.
func order(t *testing.T, words ...string) {
	t.Helper()
	command := exec.Command("../lab.sh", words...)
	command.Env = append(os.Environ(), "LAB_DIR="+lab)
	if text, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", words, err, text)
	}
}
