// Package certs makes the lab's certificate authority, the certificates it
// signs, the key of service account tokens, and kubeconfig files.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"lazarus-pit.io/lab/internal/place"
)

// A lab is thrown away long before this.
const lifetime = 10 * 365 * 24 * time.Hour

// Leaf is one certificate: a client's, a server's, or both.
type Leaf struct {
	File   string // base name of the .crt and .key
	Name   string // common name: the Kubernetes user
	Groups []string
	Hosts  []string // names and addresses it serves; none for a pure client
}

// Leaves lists every certificate a lab needs.
func Leaves(lab place.Lab) []Leaf {
	hosts := []string{
		"localhost", "127.0.0.1", place.Node{Number: 1}.Address(), place.ServiceFirst,
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	for _, node := range lab.AllNodes() {
		hosts = append(hosts, node.APIAddress())
	}
	leaves := []Leaf{
		{File: "apiserver", Name: "kube-apiserver", Hosts: hosts},
		{File: "apiserver-kubelet-client", Name: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}},
		{File: "admin", Name: "lab-admin", Groups: []string{"system:masters"}},
		{File: "addons", Name: "lab-addons", Groups: []string{"system:masters"}},
		{File: "controller-manager", Name: "system:kube-controller-manager"},
		{File: "scheduler", Name: "system:kube-scheduler"},
		{File: "kube-proxy", Name: "system:kube-proxy"},
	}
	for _, node := range lab.AllNodes() {
		leaves = append(leaves,
			Leaf{File: "kubelet-" + node.Name(), Name: "system:node:" + node.Name(),
				Groups: []string{"system:nodes"}, Hosts: []string{node.Name(), node.Address()}})
	}
	return leaves
}

// Ensure makes what is missing in the folder, and certificates that lack a host
// anew. It leaves the rest as it is: kept data holds tokens and certificates
// signed with the old keys.
func Ensure(dir string, leaves []Leaf) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	authority, authorityKey, err := ensureAuthority(dir)
	if err != nil {
		return err
	}
	if _, err := ensureKey(filepath.Join(dir, "service-account")); err != nil {
		return err
	}
	for _, leaf := range leaves {
		base := filepath.Join(dir, leaf.File)
		if exists(base+".key") && leaf.isIn(base+".crt") {
			continue
		}
		key, err := ensureKey(base)
		if err != nil {
			return err
		}
		if err := sign(base+".crt", leaf.template(), authority, key.Public(), authorityKey); err != nil {
			return fmt.Errorf("certificate %s: %w", leaf.File, err)
		}
	}
	return nil
}

// isIn says whether the file has a certificate for all hosts of the leaf.
func (leaf Leaf) isIn(path string) bool {
	block, err := readBlock(path)
	if err != nil {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	for _, host := range leaf.Hosts {
		if certificate.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

func (leaf Leaf) template() *x509.Certificate {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: leaf.Name, Organization: leaf.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(leaf.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range leaf.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

func ensureAuthority(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	base := filepath.Join(dir, "ca")
	fresh := !exists(base + ".key")
	key, err := ensureKey(base)
	if err != nil {
		return nil, nil, err
	}
	if fresh || !exists(base+".crt") {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: "lazarus-lab"},
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
			BasicConstraintsValid: true,
			IsCA:                  true,
		}
		if err := sign(base+".crt", template, template, key.Public(), key); err != nil {
			return nil, nil, err
		}
	}
	block, err := readBlock(base + ".crt")
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	return certificate, key, err
}

// ensureKey reads base.key, or makes it together with its public half base.pub.
func ensureKey(base string) (*ecdsa.PrivateKey, error) {
	if exists(base + ".key") {
		block, err := readBlock(base + ".key")
		if err != nil {
			return nil, err
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s.key: %w", base, err)
		}
		private, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("%s.key is no ECDSA key", base)
		}
		return private, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeBlock(base+".pub", "PUBLIC KEY", public, 0o644); err != nil {
		return nil, err
	}
	return key, writeBlock(base+".key", "PRIVATE KEY", private, 0o600)
}

func sign(path string, template, parent *x509.Certificate, public crypto.PublicKey, key *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	// An hour back: a virtual machine's clock may be set while the lab starts.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(lifetime)
	text, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return err
	}
	return writeBlock(path, "CERTIFICATE", text, 0o644)
}

func readBlock(path string) (*pem.Block, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block: run `down` and `up`", path)
	}
	return block, nil
}

func writeBlock(path, kind string, content []byte, mode os.FileMode) error {
	return place.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), mode)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
