package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// userID is the number that distroless images made customary for "nobody in
// particular". Kubernetes can check that a number is not root, but not a name.
const userID = 65532

// epoch is the time of everything in the image: a build time would change the
// digest of the same content.
var epoch = time.Unix(0, 0).UTC()

func makeImage(binary []byte, at string, labels map[string]string) (v1.Image, error) {
	content, err := layer(binary, at)
	if err != nil {
		return nil, err
	}
	packed, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made, err := mutate.AppendLayers(base, packed)
	if err != nil {
		return nil, err
	}
	architecture, err := architectureOf(binary)
	if err != nil {
		return nil, err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Created = v1.Time{Time: epoch}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", userID, userID),
		Entrypoint: []string{at},
		WorkingDir: "/",
		Labels:     labels,
	}
	return mutate.ConfigFile(made, config)
}

// layer is the image's one layer.
func layer(binary []byte, at string) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	add := func(name string, mode int64, content []byte) error {
		header := &tar.Header{
			Name: strings.TrimPrefix(name, "/"), Mode: mode, Size: int64(len(content)),
			ModTime: epoch, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if strings.HasSuffix(name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		_, err := writer.Write(content)
		return err
	}
	type entry struct {
		name    string
		mode    int64
		content string
	}
	entries := []entry{
		{"etc/", 0o755, ""},
		{"etc/passwd", 0o644, fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nlazarus:x:%[1]d:%[1]d:lazarus:/:/sbin/nologin\n", userID)},
		{"etc/group", 0o644, fmt.Sprintf("root:x:0:\nlazarus:x:%d:\n", userID)},
		{"tmp/", 0o1777, ""},
	}
	for _, parent := range parents(at) {
		if parent != "etc/" && parent != "tmp/" {
			entries = append(entries, entry{parent, 0o755, ""})
		}
	}
	entries = append(entries, entry{at, 0o755, string(binary)})
	for _, entry := range entries {
		if err := add(entry.name, entry.mode, []byte(entry.content)); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), writer.Close()
}

// parents lists the folders above a file, the highest first.
func parents(file string) []string {
	var list []string
	for folder := path.Dir(file); folder != "/"; folder = path.Dir(folder) {
		list = append([]string{strings.TrimPrefix(folder, "/") + "/"}, list...)
	}
	return list
}

// architectureOf reads it from the binary, so that a cross-built image says
// what it holds and not what machine packed it.
func architectureOf(binary []byte) (string, error) {
	file, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		return "", err
	}
	switch file.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	default:
		return "", fmt.Errorf("no image for %s: build for x86-64 or arm64", file.Machine)
	}
}
