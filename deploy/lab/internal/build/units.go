package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"lazarus-pit.io/lab/internal/parts"
	"lazarus-pit.io/lab/internal/render"
)

// controlPrograms are the names the one control plane binary is called by.
var controlPrograms = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
}

func controlUnit(places Places) unit {
	module := filepath.Join(places.Source, "control")
	compile := func(ctx context.Context, target string, report *reporter) error {
		stamp, err := versionStamp(module)
		if err != nil {
			return err
		}
		err = compileGo(ctx, report, compilation{
			module: module, output: filepath.Join(target, "control"), packages: []string{"."}, stamp: stamp,
		})
		if err != nil {
			return err
		}
		return link("control", target, controlPrograms)
	}
	return unit{"control", []string{module}, []step{
		{2, "control plane (etcd, kube-apiserver, kubelet and others; minutes, once)", compile},
	}}
}

// link gives one binary several names.
func link(binary, target string, names []string) error {
	for _, name := range names {
		if err := os.Symlink(binary, filepath.Join(target, name)); err != nil {
			return err
		}
	}
	return nil
}

// addonsUnit has the same versions of Kubernetes' libraries as the control
// plane, so that most of it is compiled already.
func addonsUnit(places Places) unit {
	module := filepath.Join(places.Source, "addons")
	compile := func(ctx context.Context, target string, report *reporter) error {
		err := compileGo(ctx, report, compilation{module: module, output: target + "/", packages: []string{".", "./announce"}})
		if err != nil {
			return err
		}
		return link("addons", target, []string{parts.NetworkPolicy, parts.LocalVolumes})
	}
	return unit{"addons", []string{module}, []step{{3, "network policies and volumes", compile}}}
}

// versionStamp makes the programs say which Kubernetes they are: a module's
// build does not know, and clients and kubelet compare versions.
func versionStamp(module string) (string, error) {
	text, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)`).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s/go.mod does not require k8s.io/kubernetes", module)
	}
	const variable = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s -X %[1]sgitTreeState=clean",
		variable, found[1], found[2], found[3]), nil
}

func nodeUnit(places Places, imageMaker string) unit {
	module := filepath.Join(places.Source, "node")
	compile := func(ctx context.Context, target string, report *reporter) error {
		return compileGo(ctx, report, compilation{module: module, output: target + "/", packages: []string{
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
			"github.com/containernetworking/plugins/plugins/ipam/host-local",
			"github.com/containernetworking/plugins/plugins/main/ptp",
			"github.com/containernetworking/plugins/plugins/main/loopback",
			"github.com/containernetworking/plugins/plugins/meta/portmap",
		}})
	}
	// runc enters namespaces in C, before the Go runtime starts its threads.
	runc := func(ctx context.Context, target string, report *reporter) error {
		err := compileGo(ctx, report, compilation{module: module, output: target + "/", cgo: true, tags: "seccomp",
			packages: []string{"github.com/opencontainers/runc"}})
		if err != nil {
			return err
		}
		return sandboxImage(ctx, module, target, imageMaker)
	}
	return unit{"node", []string{module, imageSource(places)}, []step{
		{4, "node (containerd, CNI plugins)", compile},
		{5, "runc and the sandbox image", runc},
	}}
}

// sandboxImage makes the archive of the image that every pod's sandbox runs.
func sandboxImage(ctx context.Context, module, target, imageMaker string) error {
	binary := filepath.Join(target, "pause")
	defer os.Remove(binary)
	compile := exec.CommandContext(ctx, "cc", "-Os", "-static", "-s", "-o", binary, filepath.Join(module, "pause", "pause.c"))
	if text, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the sandbox's program: %w: %s", err, text)
	}
	archive := filepath.Join(target, parts.SandboxArchive)
	pack := exec.CommandContext(ctx, filepath.Join(imageMaker, "image"),
		binary, archive, "--path", "/pause", "--tag", render.SandboxImage)
	if text, err := pack.CombinedOutput(); err != nil {
		return fmt.Errorf("pack the sandbox image: %w: %s", err, text)
	}
	return nil
}

func imageUnit(places Places) unit {
	compile := func(ctx context.Context, target string, report *reporter) error {
		return compileGo(ctx, report, compilation{
			module: imageSource(places), output: filepath.Join(target, "image"), packages: []string{"."},
		})
	}
	return unit{"image", []string{imageSource(places)}, []step{{1, "image maker", compile}}}
}

func imageSource(places Places) string {
	return filepath.Join(filepath.Dir(places.Source), "image")
}
