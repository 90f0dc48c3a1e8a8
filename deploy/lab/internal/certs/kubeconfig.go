package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"lazarus-pit.io/lab/internal/place"
)

// ContextName is the one context of every kubeconfig of a lab.
const ContextName = "lazarus-lab"

// Kubeconfig writes a kubeconfig with everything embedded, so that it can be
// copied elsewhere. JSON is valid YAML, and every reader of one takes it.
func Kubeconfig(path, dir, leaf, server string) error {
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return err
	}
	certificate, err := os.ReadFile(filepath.Join(dir, leaf+".crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(dir, leaf+".key"))
	if err != nil {
		return err
	}
	type object = map[string]any
	// encoding/json writes byte slices as base64, as the format wants them.
	text, err := json.MarshalIndent(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": ContextName, "cluster": object{
			"server": server, "certificate-authority-data": authority,
		}}},
		"users": []object{{"name": leaf, "user": object{
			"client-certificate-data": certificate, "client-key-data": key,
		}}},
		"contexts": []object{{"name": ContextName, "context": object{
			"cluster": ContextName, "user": leaf,
		}}},
		"current-context": ContextName,
	}, "", "  ")
	if err != nil {
		return err
	}
	return place.WriteFile(path, append(text, '\n'), 0o600)
}

// ClientTLS is how the supervisor itself talks to the API server.
func ClientTLS(dir, leaf string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, leaf+".crt"), filepath.Join(dir, leaf+".key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate: run `down` and `up`", dir)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
