package certs

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"

	"lazarus-pit.io/lab/internal/place"
)

func TestCertificatesAreSignedForTheirUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	leaves := Leaves(place.Lab{Nodes: 2})
	if err := Ensure(dir, leaves); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(authority) {
		t.Fatal("no authority:", err)
	}
	for _, leaf := range leaves {
		block, err := readBlock(filepath.Join(dir, leaf.File+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		uses := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: uses}); err != nil {
			t.Errorf("%s: %v", leaf.File, err)
		}
		if certificate.Subject.CommonName != leaf.Name {
			t.Errorf("%s is for %q, not %q", leaf.File, certificate.Subject.CommonName, leaf.Name)
		}
		for _, host := range leaf.Hosts {
			if err := certificate.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", leaf.File, err)
			}
		}
		if leaf.Hosts == nil && len(certificate.IPAddresses)+len(certificate.DNSNames) > 0 {
			t.Errorf("%s is a pure client and serves names", leaf.File)
		}
	}
}

func TestAKeptFolderIsNotMadeAnew(t *testing.T) {
	dir := t.TempDir()
	if err := Ensure(dir, Leaves(place.Lab{Nodes: 1})); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, "admin.crt"))
	key, _ := os.ReadFile(filepath.Join(dir, "apiserver.key"))
	if err := Ensure(dir, Leaves(place.Lab{Nodes: 2})); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(filepath.Join(dir, "admin.crt"))
	if string(before) != string(after) {
		t.Error("the admin certificate changed")
	}
	if !exists(filepath.Join(dir, "kubelet-lab-2.crt")) {
		t.Error("the second node has no certificate")
	}
	block, err := readBlock(filepath.Join(dir, "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || certificate.VerifyHostname(place.Node{Number: 2}.APIAddress()) != nil {
		t.Errorf("the second node can't reach the API server: %v", err)
	}
	if still, _ := os.ReadFile(filepath.Join(dir, "apiserver.key")); string(still) != string(key) {
		t.Error("the API server's key changed")
	}
}

func TestKeysAreForTheOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	if err := Ensure(dir, Leaves(place.Lab{Nodes: 1})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.key", "admin.key", "service-account.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestKubeconfigHoldsAllItNeeds(t *testing.T) {
	dir := t.TempDir()
	if err := Ensure(dir, Leaves(place.Lab{Nodes: 1})); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kubeconfig")
	server := "https://" + net.JoinHostPort("127.0.0.1", "4711")
	if err := Kubeconfig(path, dir, "admin", server); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	var config struct {
		CurrentContext string `json:"current-context"`
		Clusters       []struct {
			Cluster struct {
				Server    string
				Authority []byte `json:"certificate-authority-data"`
			}
		}
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "lazarus-lab" || config.Clusters[0].Cluster.Server != server {
		t.Errorf("%+v", config)
	}
	authority, _ := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if string(config.Clusters[0].Cluster.Authority) != string(authority) {
		t.Error("the authority is not embedded")
	}
}
