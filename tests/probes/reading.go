package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var readingProbes = []probe{
	{"P13", append([]attempt{
		{"list", listNeighbours},
		{"by its place on the node", readBesideMounts},
	}, readAttempts(func(question Question) []string { return named(question.Neighbour) })...)},
	{"P14", readAttempts(func(question Question) []string { return question.Strangers })},
	{"P15", readAttempts(func(question Question) []string { return named(question.HostFile) })},
}

func named(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// climb leads from any place to the top.
var climb = strings.Repeat("../", 40)

// readAttempts are the ways to read files that are somewhere else: all know the paths.
func readAttempts(targets func(Question) []string) []attempt {
	reads := func(name string, places func(target string) []string) attempt {
		return attempt{name, func(question Question) error {
			var paths []string
			for _, target := range targets(question) {
				paths = append(paths, places(target)...)
			}
			return firstOf(paths, func(path string) error { return holds(path, question.Marker) })
		}}
	}
	inDirectory := func(name string, try func(question Question, target string) error) attempt {
		return attempt{name, func(question Question) error {
			return firstOf(targets(question), func(target string) error { return try(question, target) })
		}}
	}
	return []attempt{
		reads("by its path", func(target string) []string { return []string{target} }),
		reads("upwards", upwards),
		reads("through /proc", throughProcesses),
		inDirectory("through a symbolic link", func(question Question, target string) error {
			return throughLinks(target, question.Marker)
		}),
		inDirectory("through a hard link", func(question Question, target string) error {
			return throughHardLink(target, question.Marker)
		}),
		inDirectory("by file handle", func(question Question, target string) error {
			return throughHandle(target, question.Marker)
		}),
	}
}

// upwards are paths that climb out of each mount.
func upwards(target string) []string {
	relative := climb + strings.TrimPrefix(target, "/")
	paths := []string{"/workspace/" + relative, "/proc/self/cwd/" + relative}
	for _, each := range mounts() {
		if !ofTheKernel(each.point) {
			paths = append(paths, each.point+"/"+relative)
		}
	}
	return paths
}

func throughProcesses(target string) []string {
	paths := []string{"/proc/self/root" + target, "/proc/thread-self/root" + target}
	for _, process := range processes() {
		paths = append(paths, fmt.Sprintf("/proc/%d/root%s", process, target), fmt.Sprintf("/proc/%d/cwd/%s%s", process, climb, strings.TrimPrefix(target, "/")))
	}
	return paths
}

func throughLinks(target, marker string) error {
	places := []string{target, climb + strings.TrimPrefix(target, "/"), "/proc/1/root" + target}
	return firstOf(places, func(place string) error {
		return throughLink(place, func(link string) error { return holds(link, marker) })
	})
}

// throughHardLink gives the file a second name, which rights of its directory don't reach.
func throughHardLink(target, marker string) error {
	directory, done, err := ownDirectory()
	if err != nil {
		return err
	}
	defer done()
	link := filepath.Join(directory, "link")
	return firstOf([]string{target, "/proc/1/root" + target}, func(place string) error {
		if err := unix.Linkat(unix.AT_FDCWD, place, unix.AT_FDCWD, link, unix.AT_SYMLINK_FOLLOW); err != nil {
			return err
		}
		defer os.Remove(link)
		return holds(link, marker)
	})
}

// throughHandle opens the top of a filesystem of which a part is mounted, by
// a handle made from the number that its first directory usually has.
func throughHandle(target, marker string) error {
	tops := []byte{2, 64, 96, 128, 1} // ext4; XFS with different block sizes; others
	var points []mount
	for _, each := range mounts() {
		if !ofTheKernel(each.point) || each.point == "/dev/termination-log" {
			points = append(points, each)
		}
	}
	return firstOf(points, func(point mount) error {
		file, err := unix.Open(point.point, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(file)
		return firstOf(tops, func(top byte) error {
			const numberAndGeneration = 1
			handle := unix.NewFileHandle(numberAndGeneration, []byte{top, 0, 0, 0, 0, 0, 0, 0})
			folder, err := unix.OpenByHandleAt(file, handle, unix.O_RDONLY|unix.O_CLOEXEC)
			if err != nil {
				return err
			}
			defer unix.Close(folder)
			return firstOf(belowTop(point.root, target), func(path string) error {
				return holds(fmt.Sprintf("/proc/self/fd/%d/%s", folder, path), marker)
			})
		})
	})
}

// listNeighbours looks at all that the workspace has. The agent's own directory has no marker.
func listNeighbours(question Question) error {
	if question.Neighbour == "" {
		return errors.New("the question names no file")
	}
	var files []string
	for _, pattern := range []string{"/workspace/*/*", "/workspace/*/*/*", "/workspace/*/*/../*/*", "/workspace/agents/../*/*"} {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	slices.Sort(files)
	return firstOf(slices.Compact(files), func(path string) error { return holds(path, question.Marker) })
}

// readBesideMounts goes from what the mounts of the workspace are on the node.
func readBesideMounts(question Question) error {
	var places []string
	for _, each := range mounts() {
		relative, err := filepath.Rel(each.point, question.Neighbour)
		if question.Neighbour == "" || err != nil || !strings.HasPrefix(each.point, "/workspace") {
			continue
		}
		place := filepath.Join(each.root, relative)
		places = append(places, place)
		places = append(places, upwards(place)...)
		places = append(places, throughProcesses(place)...)
	}
	return firstOf(places, func(path string) error { return holds(path, question.Marker) })
}
