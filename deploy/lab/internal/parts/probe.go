package parts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"lazarus-pit.io/lab/internal/certs"
	"lazarus-pit.io/lab/internal/place"
)

// localHealth asks programs that make their own certificate at each start; the
// request never leaves the tree, so there is nothing to verify it against.
var localHealth = &http.Client{
	Timeout:   probeTimeout,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
}

// answers is a readiness check: the address answers 200.
func answers(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := get(ctx, client, url)
		return err
	}
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	return body, nil
}

// listens is a readiness check: someone accepts on the unix socket.
func listens(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// apiClient reads from the API server as the lab's administrator.
type apiClient struct{ http *http.Client }

func newAPIClient(dir string) (*apiClient, error) {
	config, err := certs.ClientTLS(dir, "admin")
	if err != nil {
		return nil, err
	}
	// A connection kept over a restart of the API server would hang a check.
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	return &apiClient{&http.Client{Timeout: probeTimeout, Transport: transport}}, nil
}

func (api *apiClient) read(ctx context.Context, path string, into any) error {
	body, err := get(ctx, api.http, place.APIServer()+path)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(body, into)
}
