package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// writeArchive writes an OCI image layout as one file, with the manifest.json
// that older `docker load` looks for beside it. An OCI layout keeps the
// image's digest; containerd would make up another one for a Docker archive.
// It returns the full name.
func writeArchive(target string, made v1.Image, tag string) (string, error) {
	named, err := reference.ParseNormalizedNamed(tag)
	if err != nil {
		return "", err
	}
	named = reference.TagNameOnly(named)
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return "", reference.ErrTagInvalidFormat
	}
	files, err := layout(made, named.String(), tagged.Tag(), reference.FamiliarString(named))
	if err != nil {
		return "", err
	}
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, file := range files {
		header := &tar.Header{
			Name: file.name, Mode: 0o644, Size: int64(len(file.content)),
			ModTime: epoch, Typeflag: tar.TypeReg, Format: tar.FormatPAX,
		}
		if err := writer.WriteHeader(header); err != nil {
			return "", err
		}
		if _, err := writer.Write(file.content); err != nil {
			return "", err
		}
	}
	if err := writer.Close(); err != nil {
		return "", err
	}
	return reference.FamiliarString(named), replaceFile(target, buffer.Bytes())
}

type file struct {
	name    string
	content []byte
}

func layout(made v1.Image, fullName, tag, familiar string) ([]file, error) {
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: made,
		Descriptor: v1.Descriptor{Annotations: map[string]string{
			"io.containerd.image.name":          fullName,
			"org.opencontainers.image.ref.name": tag,
		}},
	})
	indexText, err := index.RawManifest()
	if err != nil {
		return nil, err
	}
	manifestDigest, err := made.Digest()
	if err != nil {
		return nil, err
	}
	manifest, err := made.RawManifest()
	if err != nil {
		return nil, err
	}
	configDigest, err := made.ConfigName()
	if err != nil {
		return nil, err
	}
	config, err := made.RawConfigFile()
	if err != nil {
		return nil, err
	}
	files := []file{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", indexText},
		{blob(manifestDigest), manifest},
		{blob(configDigest), config},
	}
	layers, err := made.Layers()
	if err != nil {
		return nil, err
	}
	var layerPaths []string
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return nil, err
		}
		stream, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(stream)
		if err != nil {
			return nil, err
		}
		files = append(files, file{blob(digest), content})
		layerPaths = append(layerPaths, blob(digest))
	}
	docker, err := json.Marshal([]map[string]any{{
		"Config": blob(configDigest), "RepoTags": []string{familiar}, "Layers": layerPaths,
	}})
	return append(files, file{"manifest.json", docker}), err
}

func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// replaceFile writes a file whole or not at all.
func replaceFile(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".image-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(content); err != nil {
		return err
	}
	if err := temporary.Chmod(0o644); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
