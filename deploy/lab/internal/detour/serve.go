package detour

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	"lazarus-pit.io/lab/internal/place"
)

// Command is the word that the program calls itself by inside the tree.
const Command = "lead"

// Serve listens at the address inside the tree, says where, and follows the
// orders on standard input until its end.
func Serve(address string) error {
	authority, err := os.ReadFile(place.In("certs", "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return errors.New("the lab's authority has no certificate")
	}
	target, err := url.Parse(place.APIServer())
	if err != nil {
		return err
	}
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: roots},
		DisableCompression: true,
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	detour := New(target, transport, func(line string) { fmt.Println(line) })
	failed := make(chan error, 1)
	go func() {
		// Whoever comes this way takes it for the API server.
		server := &http.Server{Handler: detour, ErrorLog: unheard}
		failed <- server.ServeTLS(listener, place.In("certs", "apiserver.crt"), place.In("certs", "apiserver.key"))
	}()
	ended := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			if err := detour.Order(lines.Text()); err != nil {
				ended <- err
				return
			}
		}
		ended <- lines.Err()
	}()
	fmt.Println("leads", listener.Addr())
	select {
	case err := <-failed:
		return err
	case err := <-ended:
		return err
	}
}
