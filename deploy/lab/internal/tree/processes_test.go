package tree

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestProcessesAreFoundInEveryCgroupBelow(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{"": "", "pod": "0\n", "pod/agent": "12\n13\n", "pod/pulse": "14\n"} {
		folder := filepath.Join(root, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pids, err := processesBelow(root)
	slices.Sort(pids)
	if err != nil || !slices.Equal(pids, []int{12, 13, 14}) {
		t.Errorf("%v %v", pids, err)
	}
	if pids, err := processesBelow(filepath.Join(root, "gone")); err != nil || len(pids) > 0 {
		t.Errorf("of a node without pods: %v %v", pids, err)
	}
}
