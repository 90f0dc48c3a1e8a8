package parts

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/render"
)

// SandboxArchive is the sandbox image's archive in the node's build.
const SandboxArchive = "pause.tar"

func containerd(lab place.Lab, node place.Node) Part {
	return Part{
		Name:    node.Part("containerd"),
		Program: "containerd",
		Args:    []string{"--config=" + render.InNodeConfig(node, "containerd.toml")},
		Ready:   listens(node.Containerd()),
		// No registry could be asked for the image that every sandbox runs.
		Prepare: func(ctx context.Context) error {
			archive := filepath.Join(place.NodeBuild, SandboxArchive)
			import_ := exec.CommandContext(ctx, filepath.Join(place.Programs, "ctr"),
				"--address", node.Containerd(), "--namespace", "k8s.io",
				"images", "import", "--local", "--snapshotter", render.Snapshotter(lab), archive)
			if text, err := import_.CombinedOutput(); err != nil {
				return fmt.Errorf("import the sandbox image: %w: %s", err, text)
			}
			return nil
		},
	}
}
