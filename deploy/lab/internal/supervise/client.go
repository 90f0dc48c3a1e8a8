package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lazarus-pit.io/lab/internal/place"
)

// Client talks to the supervisor of a running lab from outside its tree.
type Client struct{ http *http.Client }

// NewClient reaches the control socket through /proc: no path of the machine
// leads to it, and a path in the lab folder could be too long for a socket.
func NewClient(pid int) Client {
	socket := fmt.Sprintf("/proc/%d/root%s", pid, place.ControlSocket)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return Client{&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Report asks how the parts are.
func (c Client) Report() (Report, error) {
	var report Report
	body, err := c.do(http.MethodGet, "/status")
	if err != nil {
		return report, err
	}
	return report, json.Unmarshal(body, &report)
}

// Start lets a stopped part run again.
func (c Client) Start(part string) error { return c.order(part, "start") }

// Stop ends a part and keeps it down.
func (c Client) Stop(part string) error { return c.order(part, "stop") }

// Signal sends a signal to a part's process.
func (c Client) Signal(part string, number int) error {
	return c.order(part, fmt.Sprintf("signal/%d", number))
}

func (c Client) order(part, what string) error {
	_, err := c.do(http.MethodPost, "/parts/"+url.PathEscape(part)+"/"+what)
	return err
}

func (c Client) do(method, path string) ([]byte, error) {
	request, err := http.NewRequest(method, "http://lab"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the lab's supervisor does not answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 400 {
		err = fmt.Errorf("%s", strings.TrimSpace(string(body)))
	}
	return body, err
}
