package tree

import (
	"os"
	"path/filepath"
	"testing"
)

func fakeProcess(t *testing.T, proc, pid, line, stat string) {
	t.Helper()
	dir := filepath.Join(proc, pid)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cmdline": line, "stat": stat} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyTheLabOfTheFolderIsFound(t *testing.T) {
	proc := t.TempDir()
	fakeProcess(t, proc, "10", "lazarus-lab\x00init\x00/a\x00", "10 (lazarus) lab) S 1")
	fakeProcess(t, proc, "11", "lazarus-lab\x00init\x00/a/b\x00", "11 (lab) R 1")
	fakeProcess(t, proc, "12", "grep\x00lazarus-lab\x00init\x00/c\x00", "12 (grep) R 1")
	fakeProcess(t, proc, "13", "lazarus-lab\x00init\x00/dead\x00", "13 (lab) Z 1")
	for dir, want := range map[string]int{"/a": 10, "/a/b": 11, "/c": 0, "/dead": 0} {
		if got, err := findIn(proc, dir); err != nil || got != want {
			t.Errorf("%s: found %d (%v), want %d", dir, got, err, want)
		}
	}
}
