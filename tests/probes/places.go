package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A search of files ends after so many and so long in each volume, which may hold anything.
const (
	searchedFiles = 20_000
	searchedBytes = 256 << 10
	searchTime    = time.Second
	searchMost    = 15 * time.Second
)

var errNothing = errors.New("nothing found")

// firstOf tries each until one works. The error counts what stopped how many.
func firstOf[T any](ones []T, try func(T) error) error {
	var order []string
	counts := map[string]int{}
	for _, one := range ones {
		err := try(one)
		if err == nil {
			return nil
		}
		text := cause(err).Error()
		if counts[text]++; counts[text] == 1 {
			order = append(order, text)
		}
	}
	if len(order) == 0 {
		return errNothing
	}
	for i, text := range order {
		if counts[text] > 1 {
			order[i] = fmt.Sprintf("%s (%d)", text, counts[text])
		}
	}
	return errors.New(strings.Join(order, ", "))
}

// holds says whether a file has the text in it.
func holds(path, text string) error {
	if text == "" {
		return errors.New("the question has nothing to look for")
	}
	content, err := readStart(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(content, []byte(text)) {
		return errors.New("other content")
	}
	return nil
}

func readStart(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, searchedBytes))
}

// ownDirectory is a new directory where the agent may write, its workspace if
// possible. What is made in it has to be removed before done is called, which
// never removes more than the directory: something may be mounted there.
func ownDirectory() (directory string, done func(), err error) {
	own := "/workspace/agents/" + os.Getenv("LAZARUS_AGENT")
	for _, place := range []string{own, "/workspace/agents", "/workspace", "/workspace/shared", "/tmp", "/var/tmp", "/dev/shm"} {
		directory, err = os.MkdirTemp(place, "probe-")
		if err == nil {
			return directory, func() { _ = os.Remove(directory) }, nil
		}
	}
	return "", nil, unable{fmt.Errorf("no directory to write in: %w", cause(err))}
}

// writesTo makes a file in the directory, reads it back and removes it.
func writesTo(directory string) error {
	file, err := os.CreateTemp(directory, "probe-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString("written"); err != nil {
		return err
	}
	return holds(file.Name(), "written")
}

// opensForWriting writes nothing: what it opens may be the machine's.
func opensForWriting(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

// mounts are those that this process sees.
func mounts() []mount {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseMounts(string(content))
}

// ofTheKernel are where files are not stored ones.
func ofTheKernel(path string) bool {
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

// searchMounts looks for a stored file that is wanted, first where volumes of
// Secrets and tokens are: in memory.
func searchMounts(wanted func(path string) bool) error {
	var memory, others []string
	for _, each := range mounts() {
		switch {
		case ofTheKernel(each.point) || each.point == "/":
		case each.kind == "tmpfs":
			memory = append(memory, each.point)
		default:
			others = append(others, each.point)
		}
	}
	end := time.Now().Add(searchMost)
	return firstOf(slices.Concat(memory, others, []string{"/"}), func(point string) error {
		deadline := time.Now().Add(searchTime)
		if end.Before(deadline) {
			deadline = end
		}
		return search(point, deadline, wanted)
	})
}

func search(point string, deadline time.Time, wanted func(path string) bool) error {
	seen := 0
	found := errNothing
	_ = filepath.WalkDir(point, func(path string, entry fs.DirEntry, err error) error {
		if seen++; seen > searchedFiles || time.Now().After(deadline) {
			return fs.SkipAll
		}
		switch {
		case err != nil || ofTheKernel(path):
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
		case entry.Type().IsRegular() && wanted(path):
			found = nil
			return fs.SkipAll
		}
		return nil
	})
	return found
}
