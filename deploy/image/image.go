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

// content is what an image holds and says of itself.
type content struct {
	binary []byte
	path   string // of the binary, also the entrypoint
	user   string // UID:GID
	labels labels
	more   []entry
}

// entry is a folder, or a file that is the binary once more unless it has a text.
type entry struct {
	name   string
	mode   int64
	folder bool
	text   string
}

func makeImage(content content) (v1.Image, error) {
	files, err := layer(content)
	if err != nil {
		return nil, err
	}
	packed, err := tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made, err := mutate.AppendLayers(base, packed)
	if err != nil {
		return nil, err
	}
	architecture, err := architectureOf(content.binary)
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
		User:       content.user,
		Entrypoint: []string{content.path},
		WorkingDir: "/",
		Labels:     content.labels,
	}
	return mutate.ConfigFile(made, config)
}

// layer is the image's one layer.
func layer(content content) ([]byte, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	entries := []entry{
		{name: "/etc", mode: 0o755, folder: true},
		{name: "/etc/passwd", mode: 0o644, text: fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\nlazarus:x:%[1]d:%[1]d:lazarus:/:/sbin/nologin\n", userID)},
		{name: "/etc/group", mode: 0o644, text: fmt.Sprintf("root:x:0:\nlazarus:x:%d:\n", userID)},
		{name: "/tmp", mode: 0o1777, folder: true},
	}
	there := map[string]bool{"/etc": true, "/tmp": true}
	for _, file := range append([]entry{{name: content.path, mode: 0o755}}, content.more...) {
		for _, parent := range parents(file.name) {
			if !there[parent] {
				there[parent] = true
				entries = append(entries, entry{name: parent, mode: 0o755, folder: true})
			}
		}
		entries = append(entries, file)
		there[file.name] = file.folder
	}
	for _, each := range entries {
		text := []byte(each.text)
		header := &tar.Header{Name: strings.TrimPrefix(each.name, "/"), Mode: each.mode, ModTime: epoch, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		switch {
		case each.folder:
			header.Name, header.Typeflag = header.Name+"/", tar.TypeDir
		case each.text == "":
			text = content.binary
		}
		header.Size = int64(len(text))
		if err := writer.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := writer.Write(text); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), writer.Close()
}

// parents lists the folders above a file, the highest first.
func parents(file string) []string {
	var list []string
	for folder := path.Dir(file); folder != "/"; folder = path.Dir(folder) {
		list = append([]string{folder}, list...)
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
