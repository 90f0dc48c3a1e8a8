// Package build compiles the lab's programs from Go modules into a cache. A
// build is named by a hash of what it was made from, so it is made once and
// shared by every checkout that wants the same.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Places are the folders a build works with.
type Places struct {
	Source string // deploy/lab
	Cache  string
}

// Built says where the finished builds are.
type Built struct {
	Control string // control plane programs
	Node    string // containerd, runc, CNI plugins, the sandbox image
	Addons  string // what the lab adds to Kubernetes
	Image   string // the image maker
}

// unit is one folder of the cache.
type unit struct {
	name    string
	sources []string // folders that its key is made of
	steps   []step
}

// step is one thing to wait for, such as the compilation of one module.
type step struct {
	number int
	title  string
	run    func(ctx context.Context, target string, report *reporter) error
}

const stepCount = 5

// All makes whatever is not in the cache yet.
func All(ctx context.Context, places Places) (Built, error) {
	image, err := ensure(ctx, places, imageUnit(places))
	if err != nil {
		return Built{}, err
	}
	control, err := ensure(ctx, places, controlUnit(places))
	if err != nil {
		return Built{}, err
	}
	addons, err := ensure(ctx, places, addonsUnit(places))
	if err != nil {
		return Built{}, err
	}
	node, err := ensure(ctx, places, nodeUnit(places, image))
	if err != nil {
		return Built{}, err
	}
	built := Built{Control: control, Node: node, Addons: addons, Image: image}
	return built, prune(places.Cache, []string{control, node, addons, image})
}

// Image makes the image maker alone.
func Image(ctx context.Context, places Places) (string, error) {
	return ensure(ctx, places, imageUnit(places))
}

func ensure(ctx context.Context, places Places, unit unit) (string, error) {
	key, err := keyOf(unit.sources)
	if err != nil {
		return "", err
	}
	final := filepath.Join(places.Cache, unit.name+"-"+key)
	if isFolder(final) {
		now := time.Now()
		return final, os.Chtimes(final, now, now)
	}
	if err := os.MkdirAll(places.Cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(places.Cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isFolder(final) {
		return final, nil // made while this call waited
	}
	if err := enoughDisk(places.Cache, goCache()); err != nil {
		return "", err
	}
	if err := removeUnfinished(places.Cache); err != nil {
		return "", err
	}
	working, err := os.MkdirTemp(places.Cache, unfinished+unit.name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(working)
	if err := os.Chmod(working, 0o755); err != nil {
		return "", err
	}
	for _, step := range unit.steps {
		report := newReporter(step)
		err := step.run(ctx, working, report)
		report.finish(err)
		if err != nil {
			return "", err
		}
	}
	return final, os.Rename(working, final)
}

// keyOf hashes the sources that decide what a build holds, and the Go version.
func keyOf(folders []string) (string, error) {
	sum := sha256.New()
	version, err := exec.Command("go", "env", "GOVERSION", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	sum.Write(version)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !isSource(entry.Name()) {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(folder, path)
			fmt.Fprintf(sum, "%s %d\n", relative, len(text))
			sum.Write(text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

func isSource(name string) bool {
	if name == "go.mod" || name == "go.sum" {
		return true
	}
	return (strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")) || strings.HasSuffix(name, ".c")
}

// lock keeps two calls from building the same thing; the second one waits.
func lock(ctx context.Context, path string) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for said := false; ; said = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if !said {
			fmt.Println("another build of the lab is running, waiting for it")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
