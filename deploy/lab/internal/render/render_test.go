package render

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"lazarus-pit.io/lab/internal/certs"
	"lazarus-pit.io/lab/internal/place"
)

func rendered(t *testing.T, lab place.Lab) place.Lab {
	t.Helper()
	lab.Dir = t.TempDir()
	if err := certs.Ensure(lab.Path("certs"), certs.Leaves(lab)); err != nil {
		t.Fatal(err)
	}
	if err := All(lab); err != nil {
		t.Fatal(err)
	}
	return lab
}

func read(t *testing.T, lab place.Lab, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(lab.Path(parts...))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "<no value>") {
		t.Errorf("%v has a hole:\n%s", parts, text)
	}
	return string(text)
}

func TestEachNodeHasItsOwnFiles(t *testing.T) {
	lab := rendered(t, place.Lab{Nodes: 2, Overlay: true})
	first := read(t, lab, "config", "lab-1", "kubelet.yaml")
	second := read(t, lab, "config", "lab-2", "kubelet.yaml")
	for _, want := range []string{"address: 172.31.255.2", "cgroupRoot: /" + lab.Cgroup() + "/lab-1", "maxPods: 400"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first node's kubelet lacks %q", want)
		}
	}
	if !strings.Contains(second, "address: 172.31.255.3") {
		t.Error("the second node has the first one's address")
	}
	if config := read(t, lab, "config", "kubelet-lab-2.kubeconfig"); !strings.Contains(config, "https://127.0.1.2:6443") {
		t.Errorf("the second node's kubelet can't be cut off alone:\n%s", config)
	}
}

func TestOnlyALabOfSeveralNodesIsQuickToMissOne(t *testing.T) {
	for nodes, want := range map[int]string{1: "nodeLeaseDurationSeconds: 40\n", 2: "nodeLeaseDurationSeconds: 16\n"} {
		lab := rendered(t, place.Lab{Nodes: nodes})
		if !strings.Contains(read(t, lab, "config", "lab-1", "kubelet.yaml"), want) {
			t.Errorf("%d nodes: no %s", nodes, want)
		}
	}
}

func TestNoFolderOfTheMachineIsNamed(t *testing.T) {
	lab := rendered(t, place.Lab{Nodes: 1})
	for _, path := range [][]string{
		{"config", "lab-1", "kubelet.yaml"}, {"config", "lab-1", "containerd.toml"},
		{"config", "lab-1", "cni", "10-lab.conflist"}, {"config", "scheduler.yaml"},
	} {
		if strings.Contains(read(t, lab, path...), lab.Dir) {
			t.Errorf("%v names the lab folder by its path outside the tree", path)
		}
	}
}

func TestTheSnapshotterFollowsTheDisk(t *testing.T) {
	overlay := rendered(t, place.Lab{Nodes: 1, Overlay: true})
	if !strings.Contains(read(t, overlay, "config", "lab-1", "containerd.toml"), "'overlayfs'") {
		t.Error("overlayfs is not used where it works")
	}
	native := rendered(t, place.Lab{Nodes: 1})
	if !strings.Contains(read(t, native, "config", "lab-1", "containerd.toml"), "snapshotter = 'native'") {
		t.Error("no fallback to native")
	}
}

func TestTheNetworkConfigurationIsJSON(t *testing.T) {
	lab := rendered(t, place.Lab{Nodes: 2})
	var list struct {
		Plugins []struct {
			Type string
			IPAM struct {
				Ranges [][]struct{ Subnet string }
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, lab, "config", "lab-2", "cni", "10-lab.conflist")), &list); err != nil {
		t.Fatal(err)
	}
	if got := list.Plugins[0].IPAM.Ranges[0][0].Subnet; got != "10.244.16.0/20" {
		t.Errorf("the second node's pods are in %s", got)
	}
}

func TestPodsAreAnnouncedWherePoliciesAreEnforced(t *testing.T) {
	for _, unenforced := range []bool{false, true} {
		text := read(t, rendered(t, place.Lab{Nodes: 1, Unenforced: unenforced}), "config", "lab-1", "cni", "10-lab.conflist")
		if !json.Valid([]byte(text)) || strings.Contains(text, "announce") == unenforced {
			t.Errorf("unenforced is %v:\n%s", unenforced, text)
		}
	}
}
