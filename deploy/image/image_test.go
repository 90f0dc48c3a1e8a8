package main

import (
	"archive/tar"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program builds a tiny program, static or not.
func program(t *testing.T, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	text := "package main\n\nimport _ \"os/user\"\n\nfunc main() { println(\"hello\") }\n"
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "program")
	build := exec.Command("go", append(append([]string{"build", "-o", binary}, flags...), source)...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return binary
}

func TestTheSameInputGivesTheSameArchive(t *testing.T) {
	binary := program(t)
	var archives [2]string
	for i := range archives {
		out := filepath.Join(t.TempDir(), "out.tar")
		if err := run([]string{binary, out, "--tag", "a:b", "--label", "x=y"}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = string(text)
	}
	if archives[0] != archives[1] {
		t.Error("two archives of one binary differ")
	}
}

func TestTheImageRunsAsNobodyInParticular(t *testing.T) {
	asked, err := parse([]string{program(t), "out.tar", "--path", "/opt/a/program", "--label", "k=v",
		"--file", "/opt/b/other:4755", "--folder", "/var/tmp:1777"})
	if err != nil {
		t.Fatal(err)
	}
	if asked.content.binary, err = os.ReadFile(asked.binary); err != nil {
		t.Fatal(err)
	}
	made, err := makeImage(asked.content)
	if err != nil {
		t.Fatal(err)
	}
	config, err := made.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/opt/a/program" || config.Config.Labels["k"] != "v" {
		t.Errorf("%+v", config.Config)
	}
	layers, _ := made.Layers()
	stream, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for reader := tar.NewReader(stream); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
	}
	for name, want := range map[string]int64{
		"tmp/": 0o1777, "etc/passwd": 0o644, "opt/": 0o755, "opt/a/": 0o755, "opt/a/program": 0o755,
		"opt/b/other": 0o4755, "var/": 0o755, "var/tmp/": 0o1777,
	} {
		if modes[name] != want {
			t.Errorf("%s has mode %o, want %o", name, modes[name], want)
		}
	}
}

func TestADynamicBinaryIsRefused(t *testing.T) {
	binary := program(t, "-buildmode=pie")
	err := run([]string{binary, filepath.Join(t.TempDir(), "out.tar")})
	if err == nil || !strings.Contains(err.Error(), "dynamically linked") {
		t.Errorf("got %v", err)
	}
}

func TestArguments(t *testing.T) {
	asked, err := parse([]string{"--tag", "t:1", "bin", "--label", "a=b=c", "out.tar", "--path", "/p", "--user", "0:0"})
	if err != nil || asked.binary != "bin" || asked.archive != "out.tar" || asked.tag != "t:1" ||
		asked.content.path != "/p" || asked.content.labels["a"] != "b=c" || asked.content.user != "0:0" {
		t.Errorf("%+v %v", asked, err)
	}
	for _, wrong := range [][]string{{}, {"one"}, {"a", "b", "c"}, {"a", "b", "--label", "x"}, {"a", "b", "--path", "p"}, {"a", "b", "--file", "/p"}, {"a", "b", "--folder", "/p:9"}} {
		if _, err := parse(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}
