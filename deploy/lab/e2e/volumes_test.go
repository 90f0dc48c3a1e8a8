//go:build lab

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stored is where a volume's data is on the machine.
func stored(t *testing.T, node, volume string) string {
	t.Helper()
	number := strings.TrimPrefix(node, "lab-")
	return filepath.Join(lab, "data", "node-"+number, "volumes", volume)
}

// written makes a claim and a pod that writes to it as somebody without rights
// but the fsGroup. It returns the volume, and its folder with the data.
func written(t *testing.T, home, class string) (volume, folder string) {
	t.Helper()
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: %[1]s, name: work}
spec: {%[2]s accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: %[1]s, name: writer}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 12345, runAsGroup: 12345, fsGroup: 23456}
  containers:
  - {name: probe, image: %[3]s, command: [/probe], args: [write, /work/file], volumeMounts: [{name: work, mountPath: /work}]}
  volumes: [{name: work, persistentVolumeClaim: {claimName: work}}]
`, home, class, image))
	running(t, home, "writer")
	within(t, "the pod has written", func() bool {
		answer, _ := try("-n", home, "logs", "writer")
		return answer == "written"
	})
	volume = kubectl(t, "-n", home, "get", "pvc", "work", "-o", "jsonpath={.spec.volumeName}")
	folder = stored(t, kubectl(t, "-n", home, "get", "pod", "writer", "-o", "jsonpath={.spec.nodeName}"), volume)
	if text, err := os.ReadFile(filepath.Join(folder, "file")); err != nil || string(text) != "written\n" {
		t.Fatalf("%q %v", text, err)
	}
	return volume, folder
}

func TestTheDataOfAVolumeGoesWithItsClaim(t *testing.T) {
	t.Parallel()
	home := namespace(t, "volumes")
	volume, folder := written(t, home, "")
	// A claim outlives its pods.
	kubectl(t, "-n", home, "delete", "pod", "writer")
	if _, err := os.Stat(filepath.Join(folder, "file")); err != nil {
		t.Error(err)
	}
	kubectl(t, "-n", home, "delete", "pvc", "work")
	kubectl(t, "wait", "--for=delete", "pv/"+volume, "--timeout="+patience.String())
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", folder, err)
	}
}

func TestARetainedVolumeKeepsItsData(t *testing.T) {
	t.Parallel()
	class := fmt.Sprintf("retain-%d", time.Now().UnixNano())
	apply(t, fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %s}
provisioner: lazarus-pit.io/lab-local
reclaimPolicy: Retain
volumeBindingMode: WaitForFirstConsumer
`, class))
	t.Cleanup(func() { _, _ = try("delete", "storageclass", class) })
	home := namespace(t, "volumes")
	volume, folder := written(t, home, "storageClassName: "+class+",")
	t.Cleanup(func() { os.RemoveAll(folder) })
	kubectl(t, "-n", home, "delete", "pod", "writer")
	kubectl(t, "-n", home, "delete", "pvc", "work")
	kubectl(t, "wait", "--for=jsonpath={.status.phase}=Released", "pv/"+volume, "--timeout="+patience.String())
	kubectl(t, "delete", "pv", volume)
	if text, err := os.ReadFile(filepath.Join(folder, "file")); err != nil || string(text) != "written\n" {
		t.Errorf("%q %v", text, err)
	}
}

func TestAClaimThatCannotBeMetSaysWhy(t *testing.T) {
	t.Parallel()
	home := namespace(t, "volumes")
	apply(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: %s, name: work}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
`, home))
	within(t, "an Event says it", func() bool {
		events, _ := try("-n", home, "get", "events", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(events, "access modes [ReadWriteMany]")
	})
}
