package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/preflight"
	"lazarus-pit.io/lab/internal/tree"
)

// kept survives `down --keep`; ended goes each time a lab ends.
var (
	kept  = []string{"data", "certs", "config", "logs", "audit.log", "lab.json"}
	ended = []string{"kubeconfig", "kubectl", "kubectl-cache", "run"}
)

func down(known settings, arguments []string) error {
	flags := newFlags("down")
	keep := flags.Bool("keep", false, "")
	if _, err := parse(flags, arguments, 0); err != nil {
		return err
	}
	if err := preflight.Root(); err != nil {
		return err
	}
	lab := place.Lab{Dir: known.dir}
	pid, err := tree.Find(lab)
	if err != nil {
		return err
	}
	if !exists(lab.Dir) {
		// The folder may be gone while the lab runs on, or its cgroups stay.
		if pid == 0 {
			fmt.Printf("no lab in %s\n", lab.Dir)
		}
		return clear(lab, pid)
	}
	began := time.Now()
	unlock, err := lockFolder(context.Background(), lab.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if pid, err = tree.Find(lab); err != nil {
		return err
	}
	if err := clear(lab, pid); err != nil {
		return err
	}
	if !*keep {
		// By name: LAB_DIR may hold, by mistake, more than a lab.
		for _, name := range kept {
			if err := os.RemoveAll(lab.Path(name)); err != nil {
				return err
			}
		}
		if err := os.Remove(lab.Dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	fmt.Printf("the lab in %s is down after %s\n", lab.Dir, time.Since(began).Round(10*time.Millisecond))
	return nil
}

// clear ends the tree if it runs and removes what it left on the machine. The
// data stays.
func clear(lab place.Lab, pid int) error {
	if pid != 0 {
		if err := tree.Kill(pid); err != nil {
			return err
		}
	}
	if err := tree.RemoveCgroups(lab); err != nil {
		return err
	}
	for _, name := range ended {
		if err := os.RemoveAll(lab.Path(name)); err != nil {
			return err
		}
	}
	return nil
}

// lockFolder makes up and down of one lab wait for each other. The lock is on
// the folder itself, so nothing of it stays behind.
func lockFolder(ctx context.Context, dir string) (func(), error) {
	for said := false; ; {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		folder, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && isStill(folder, dir) {
			return func() { folder.Close() }, nil
		}
		folder.Close()
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if err != nil && !said {
			fmt.Printf("another command works on %s, waiting for it\n", dir)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// isStill says whether the open folder is the one at the path: a `down` may
// have removed it between opening and locking.
func isStill(folder *os.File, dir string) bool {
	opened, err := folder.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(dir)
	return err == nil && os.SameFile(opened, now)
}
