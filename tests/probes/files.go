package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

const sharedDirectory = "/workspace/shared"

var fileProbes = []probe{
	{"P11", []attempt{writeTo("/usr"), writeTo("/usr/local"), writeTo("/etc"), writeTo("/")}},
	{"P12", dropAttempts()},
	// Memory that is mounted for processes to share: whether it may be run from is the runtime's to say.
	{"P49", []attempt{{"/dev/shm", func(Question) error { return drops("/dev/shm") }}}},
	{"P16", []attempt{
		{"write", func(Question) error {
			// Of a whole volume nobody has made the directory yet.
			_ = os.MkdirAll(sharedDirectory, 0o775)
			return writesTo(sharedDirectory)
		}},
		{"through /proc/self/root", func(Question) error { return writesTo("/proc/self/root" + sharedDirectory) }},
		{"through a symbolic link", func(Question) error {
			return throughLink(sharedDirectory, writesTo)
		}},
		childAttempt("remount", ownMounts, "remount"),
	}},
}

func writeTo(directory string) attempt {
	return attempt{directory, func(Question) error { return writesTo(directory) }}
}

// dropAttempts leave out the workspace and /tmp, where an agent may do that, and /dev/shm, which is P49.
// Memory without a file (memfd_create) is no place either.
func dropAttempts() []attempt {
	var all []attempt
	for _, directory := range []string{"/", "/usr/local", "/var/tmp", "/dev", "/run", "/etc", os.Getenv("HOME")} {
		if directory != "" {
			all = append(all, attempt{directory, func(Question) error { return drops(directory) }})
		}
	}
	return append(all, attempt{"the log of its end", func(Question) error {
		return dropsOver("/dev/termination-log")
	}})
}

// drops copies this program to a directory and runs it there.
func drops(directory string) error {
	file, err := os.CreateTemp(directory, "probe-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := file.Chmod(0o700); err != nil {
		return err
	}
	return runsCopy(file)
}

// dropsOver uses a file that is there and may be written even where the directory may not.
func dropsOver(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return err
	}
	if before.Size() > 0 {
		return errors.New("in use")
	}
	if err := file.Chmod(0o700); err != nil {
		return err
	}
	defer func() {
		_ = os.Truncate(path, 0)
		_ = os.Chmod(path, before.Mode())
	}()
	return runsCopy(file)
}

func runsCopy(file *os.File) error {
	own, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer own.Close()
	if _, err := io.Copy(file, own); err != nil {
		return err
	}
	// A file that is open for writing can't be run.
	if err := file.Close(); err != nil {
		return err
	}
	return childOf(file.Name(), childPatience, nil, "nothing")
}

// throughLink tries something through a symbolic link in the agent's own directory.
func throughLink(target string, try func(string) error) error {
	directory, done, err := ownDirectory()
	if err != nil {
		return err
	}
	defer done()
	link := filepath.Join(directory, "link")
	if err := os.Symlink(target, link); err != nil {
		return err
	}
	defer os.Remove(link)
	return try(link)
}
