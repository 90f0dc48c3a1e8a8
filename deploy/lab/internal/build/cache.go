package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	unfinished = "unfinished-"
	// A build unused for this long, by a lab or by a call, is removed. Not at
	// once: two checkouts with different versions may take turns.
	keepUnused = 24 * time.Hour
	// Go's own cache and the builds take about this much together.
	diskNeeded = 3 << 30
)

// DefaultCache is where builds go: LAB_CACHE, or below the user's cache folder.
func DefaultCache() (string, error) {
	if folder := os.Getenv("LAB_CACHE"); folder != "" {
		return filepath.Abs(folder)
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (%w): set LAB_CACHE", err)
	}
	return filepath.Join(folder, "lazarus-pit", "lab"), nil
}

// Hold keeps a build from being pruned for as long as this process lives.
func Hold(folder string) error {
	handle, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Flock(handle, unix.LOCK_SH)
}

// prune removes builds that are neither current, nor held, nor used lately.
func prune(cache string, current []string) error {
	folders, err := filepath.Glob(filepath.Join(cache, "*-*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() || slices.Contains(current, folder) || time.Since(info.ModTime()) < keepUnused {
			continue
		}
		if isHeld(folder) {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return nil
}

func isHeld(folder string) bool {
	handle, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(handle)
	return unix.Flock(handle, unix.LOCK_EX|unix.LOCK_NB) != nil
}

// removeUnfinished removes what killed builds left; the caller has the lock.
func removeUnfinished(cache string) error {
	folders, err := filepath.Glob(filepath.Join(cache, unfinished+"*"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return nil
}

func goCache() string {
	text, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func enoughDisk(folders ...string) error {
	for _, folder := range folders {
		for folder != "" && folder != "/" && !isFolder(folder) {
			folder = filepath.Dir(folder) // not made yet: it will lie on its parent's disk
		}
		var disk unix.Statfs_t
		if unix.Statfs(folder, &disk) != nil {
			continue
		}
		if free := disk.Bavail * uint64(disk.Bsize); free < diskNeeded {
			return fmt.Errorf("only %.1f GB free on the disk of %s, building takes %d GB: make room or set LAB_CACHE and GOCACHE elsewhere",
				float64(free)/1e9, folder, diskNeeded>>30)
		}
	}
	return nil
}
