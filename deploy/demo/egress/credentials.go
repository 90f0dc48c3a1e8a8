package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any lab's.
const lifetime = 5 * 365 * 24 * time.Hour

// makeCredentials writes into an existing folder what a proxy and the model of
// this name need: `key`, what the model wants to see; `model.crt` and
// `model.key`, its certificate; `authority.crt` and `authority.key`, whom agents
// trust. Agents need authority.crt alone. It vouches for nobody but the proxy.
func makeCredentials(folder, name string) error {
	now := time.Now()
	model := x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	authority := x509.Certificate{
		Subject: pkix.Name{CommonName: "egress proxy of the demo"}, KeyUsage: x509.KeyUsageCertSign,
		IsCA: true, MaxPathLenZero: true,
		// Whoever steals it can't pretend to be anybody else.
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{name},
		// Names alone are permitted: what is said of one kind of them leaves the others free.
		ExcludedIPRanges: []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		},
	}
	for file, template := range map[string]*x509.Certificate{"model": &model, "authority": &authority} {
		template.BasicConstraintsValid = true
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(lifetime)
		if err := selfSigned(template, filepath.Join(folder, file)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "key"), []byte("sk-"+rand.Text()), 0o600)
}

// selfSigned writes `path.crt` and `path.key`.
func selfSigned(template *x509.Certificate, path string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return err
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		path + ".crt": {Type: "CERTIFICATE", Bytes: made}, path + ".key": {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func certificatesIn(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
