package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lazarus-pit.io/lab/internal/build"
	"lazarus-pit.io/lab/internal/certs"
	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/preflight"
	"lazarus-pit.io/lab/internal/render"
	"lazarus-pit.io/lab/internal/supervise"
	"lazarus-pit.io/lab/internal/tree"
)

const (
	// One part may take this long to become ready.
	readyWithin = 120 * time.Second
	// One that keeps ending does not get better by more of it.
	endsAllowed = 6
	// A running lab that is not well gets this long to recover by itself.
	recoverWithin = 15 * time.Second
)

func up(ctx context.Context, known settings, arguments []string) error {
	order, err := parseUp(arguments)
	if err != nil {
		return err
	}
	if err := preflight.Root(); err != nil {
		return err
	}
	built, err := build.All(ctx, known.places)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	began := time.Now()
	unlock, err := lockFolder(ctx, known.dir)
	if err != nil {
		return err
	}
	defer unlock()
	lab, err := place.Open(known.dir)
	if err != nil {
		return err
	}
	pid, err := tree.Find(lab)
	if err != nil {
		return err
	}
	if pid != 0 {
		reason := whyRestart(ctx, lab, pid, built, self, order)
		if reason == "" {
			fmt.Printf("the lab is up: %s\n", lab.Path("kubeconfig"))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Printf("the lab runs, but %s: starting it again on its data\n", reason)
	}
	if err := clear(lab, pid); err != nil {
		return err
	}
	lab = order.apply(lab)
	lab.Control, lab.Node, lab.Addons, lab.Supervisor = built.Control, built.Node, built.Addons, self
	if err := start(ctx, &lab, began); err != nil {
		return err
	}
	fmt.Printf("the lab is up after %s; to use it:\n  export KUBECONFIG=%s\n",
		time.Since(began).Round(100*time.Millisecond), quote(lab.Path("kubeconfig")))
	return nil
}

// whyRestart says why a running lab cannot stay as it is, or nothing if it can.
func whyRestart(ctx context.Context, lab place.Lab, pid int, built build.Built, self string, order upOrder) string {
	switch {
	case lab.Control != built.Control || lab.Node != built.Node || lab.Addons != built.Addons || lab.Supervisor != self:
		return "from other programs"
	case order.apply(lab).Nodes != lab.Nodes:
		return fmt.Sprintf("with %d nodes", lab.Nodes)
	case order.apply(lab).Unenforced && !lab.Unenforced:
		return "enforces NetworkPolicies"
	case !order.apply(lab).Unenforced && lab.Unenforced:
		return "enforces no NetworkPolicies"
	case !exists(lab.Path("kubeconfig")):
		return "was never finished"
	}
	client := supervise.NewClient(pid)
	for deadline := time.Now().Add(recoverWithin); ; {
		report, err := client.Report()
		if err != nil {
			return err.Error()
		}
		bad := unready(report)
		if bad == nil {
			return ""
		}
		if bad.State == supervise.Stopped {
			fmt.Printf("%s was stopped by hand: starting it\n", bad.Name)
			if err := client.Start(bad.Name); err != nil {
				return err.Error()
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Sprintf("%s is not ready (%s)", bad.Name, bad.Message)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// unready returns the first part that is not ready, or nil.
func unready(report supervise.Report) *supervise.Status {
	for i := range report.Parts {
		if report.Parts[i].State != supervise.Ready {
			return &report.Parts[i]
		}
	}
	return nil
}

// start starts the tree and waits until all of it is ready. If that fails or
// is interrupted, nothing keeps running.
func start(ctx context.Context, lab *place.Lab, began time.Time) error {
	if err := os.MkdirAll(lab.Path("data"), 0o755); err != nil {
		return err
	}
	machine, err := preflight.Kernel(lab.Path("data"))
	if err != nil {
		return err
	}
	if lab.Overlay = machine.Overlay; !lab.Overlay {
		fmt.Printf("no overlayfs on the disk of %s: images are copied for each container instead (slower), and pods with their own user namespace may not start\n", lab.Dir)
	}
	listener, err := tree.Listen(lab)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := lab.Save(); err != nil {
		return err
	}
	if err := certs.Ensure(lab.Path("certs"), certs.Leaves(*lab)); err != nil {
		return err
	}
	if err := render.All(*lab); err != nil {
		return err
	}
	if err := tree.MakeCgroups(*lab); err != nil {
		return fmt.Errorf("make cgroups: %w", err)
	}
	pid, err := tree.Spawn(*lab, listener)
	if err == nil {
		err = awaitReady(ctx, *lab, pid, began)
	}
	if err != nil {
		return errors.Join(err, clear(*lab, pid))
	}
	if err := writeKubectl(*lab); err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", lab.Port)
	return certs.Kubeconfig(lab.Path("kubeconfig"), lab.Path("certs"), "admin", server)
}

// awaitReady prints each part as it becomes ready.
func awaitReady(ctx context.Context, lab place.Lab, pid int, began time.Time) error {
	client := supervise.NewClient(pid)
	said := map[string]bool{}
	progress := time.Now()
	spoken := time.Now()
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !tree.Alive(pid) {
			return failure(lab, "supervisor", "ended")
		}
		report, err := client.Report()
		if err == nil && len(report.Parts) > 0 {
			for _, part := range report.Parts {
				if part.State == supervise.Ready && !said[part.Name] {
					said[part.Name] = true
					progress, spoken = time.Now(), time.Now()
					fmt.Printf("  %-24s ready after %.1fs\n", part.Name, time.Since(began).Seconds())
				}
			}
			bad := unready(report)
			if bad == nil {
				return nil
			}
			if time.Since(progress) > readyWithin || (bad.ReadyIn == 0 && bad.Restarts >= endsAllowed) {
				return failure(lab, bad.Name, "is not ready: "+bad.Message)
			}
			if time.Since(spoken) > 10*time.Second {
				spoken = time.Now()
				fmt.Printf("  waiting for %s: %s\n", bad.Name, bad.Message)
			}
		} else if time.Since(progress) > readyWithin {
			return failure(lab, "supervisor", "does not answer")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// failure quotes the end of the part's log. A state of the cluster has none:
// there kubelet's tells most.
func failure(lab place.Lab, part, what string) error {
	path := lab.Path("logs", part+".log")
	if !exists(path) {
		path = lab.Path("logs", "kubelet.log")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s %s; no log in %s", part, what, filepath.Dir(path))
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 20 {
		lines = lines[len(lines)-20:]
	}
	for i, line := range lines {
		if len(line) > 300 {
			lines[i] = line[:300] + "..."
		}
	}
	return fmt.Errorf("%s %s\n  %s\nall of its log: %s", part, what, strings.Join(lines, "\n  "), path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
