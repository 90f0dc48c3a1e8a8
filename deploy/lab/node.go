package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"lazarus-pit.io/lab/internal/build"
	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/render"
)

// load imports an image archive into every node, under its name and under its
// name with digest: a pod may ask for either.
func load(ctx context.Context, known settings, arguments []string) error {
	words, err := parse(newFlags("load"), arguments, 1)
	if err != nil {
		return err
	}
	lab, pid, err := running(known)
	if err != nil {
		return err
	}
	for _, node := range lab.AllNodes() {
		ctr := func(arguments ...string) (string, error) {
			// The socket is reached through /proc: no path of the machine leads to it.
			prefix := []string{"--address", fmt.Sprintf("/proc/%d/root%s", pid, node.Containerd()), "--namespace", "k8s.io", "images"}
			command := exec.CommandContext(ctx, filepath.Join(lab.Node, "ctr"), append(prefix, arguments...)...)
			text, err := command.CombinedOutput()
			if err != nil {
				return "", fmt.Errorf("load %s into %s: %w: %s", words[0], node.Name(), err, strings.TrimSpace(string(text)))
			}
			return string(text), nil
		}
		output, err := ctr("import", "--local", "--snapshotter", render.Snapshotter(lab), words[0])
		if err != nil {
			return err
		}
		found := importedImages(output)
		if len(found) == 0 {
			return fmt.Errorf("%s holds no named image", words[0])
		}
		for _, image := range found {
			if _, err := ctr("tag", "--force", image.name, image.withDigest()); err != nil {
				return err
			}
			fmt.Printf("%s has %s\n", node.Name(), image.name+" "+image.digest)
		}
	}
	return nil
}

type importedImage struct{ name, digest string }

// withDigest is repository@digest.
func (i importedImage) withDigest() string {
	repository := i.name
	if colon := strings.LastIndexByte(repository, ':'); colon > strings.LastIndexByte(repository, '/') {
		repository = repository[:colon]
	}
	return repository + "@" + i.digest
}

var unpacked = regexp.MustCompile(`(?m)^unpacking (\S+) \((sha256:[0-9a-f]{64})\)`)

func importedImages(output string) []importedImage {
	var list []importedImage
	for _, match := range unpacked.FindAllStringSubmatch(output, -1) {
		list = append(list, importedImage{match[1], match[2]})
	}
	return list
}

// writeKubectl writes the lab's own kubectl: it knows one cluster, whatever
// the caller's environment says, and writes nothing to the home folder. Its
// plugins know the same one.
func writeKubectl(lab place.Lab) error {
	script := fmt.Sprintf("#!/bin/sh\nexec env KUBECONFIG=%s KUBERC=off KUBECACHEDIR=%s %s \"$@\"\n",
		quote(lab.Path("kubeconfig")), quote(lab.Path("kubectl-cache")), quote(filepath.Join(lab.Control, "kubectl")))
	return place.WriteFile(lab.Path("kubectl"), []byte(script), 0o755)
}

// quote makes a path safe to paste into a shell; a plain one stays as it is.
func quote(text string) string {
	if plainPath.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var plainPath = regexp.MustCompile(`^[\w./+:@%,-]+$`)

func kubectl(known settings, arguments []string) error {
	script := place.Lab{Dir: known.dir}.Path("kubectl")
	if !exists(script) {
		return fmt.Errorf("no lab is up in %s: start it with `up`", known.dir)
	}
	return syscall.Exec(script, append([]string{"kubectl"}, arguments...), os.Environ())
}

// execNode replaces this program by nsenter, which runs the command in the
// tree's namespaces with the lab's programs in reach.
func execNode(known settings, arguments []string) error {
	name, command, err := parseExec(arguments)
	if err != nil {
		return err
	}
	lab, pid, err := running(known)
	if err != nil {
		return err
	}
	node, err := findNode(lab, name)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{
		"PATH":                 place.Programs + ":" + os.Getenv("PATH"),
		"KUBECONFIG":           place.In("config", "admin.kubeconfig"),
		"CONTAINERD_ADDRESS":   node.Containerd(),
		"CONTAINERD_NAMESPACE": "k8s.io",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return enter(pid, command)
}

// enter replaces this program by one that runs in the tree's namespaces.
func enter(pid int, command []string) error {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return errors.New("no nsenter: apt-get install util-linux")
	}
	arguments := []string{"nsenter", "--target", fmt.Sprint(pid), "--mount", "--net", "--pid", "--wd=/", "--"}
	return syscall.Exec(nsenter, append(arguments, command...), os.Environ())
}

// parseExec takes its own flags only before the command, which has flags too.
func parseExec(arguments []string) (node string, command []string, err error) {
	flags := newFlags("exec-node")
	flags.SetOutput(io.Discard)
	flags.StringVar(&node, "node", place.Node{Number: 1}.Name(), "")
	if err := flags.Parse(arguments); err != nil {
		return "", nil, usageError("exec-node: " + err.Error())
	}
	if flags.NArg() == 0 {
		return "", nil, usageError("exec-node needs a command")
	}
	return node, flags.Args(), nil
}

// image packs a binary with the image maker.
func image(ctx context.Context, known settings, arguments []string) error {
	maker, err := build.Image(ctx, known.places)
	if err != nil {
		return err
	}
	return syscall.Exec(filepath.Join(maker, "image"), append([]string{"image"}, arguments...), os.Environ())
}
