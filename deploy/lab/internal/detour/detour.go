// Package detour is another way to the API server, on which one request can be
// held back for as long as a test wants: also when whoever sent it has gone, as
// a request does that is under way in a slow network.
package detour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
)

// Clients that die are what this is for.
var unheard = log.New(io.Discard, "", 0)

// Detour passes requests on to the API server, with the credentials that they
// have themselves.
type Detour struct {
	say        func(line string)
	open, late *httputil.ReverseProxy

	mutex sync.Mutex
	// What the request to be held back is, and those that are refused while one
	// is held.
	wanted, refused *match
	release         chan struct{}
}

// match is one kind of request.
type match struct{ method, path, text string }

func (m *match) is(request *http.Request, body []byte) bool {
	return m != nil && m.method == request.Method && m.path == request.URL.Path && bytes.Contains(body, []byte(m.text))
}

// New leads to the target. What becomes of the held request is said line by line.
func New(target *url.URL, transport http.RoundTripper, say func(line string)) *Detour {
	proxy := func() *httputil.ReverseProxy {
		return &httputil.ReverseProxy{
			Rewrite:       func(request *httputil.ProxyRequest) { request.SetURL(target) },
			Transport:     transport,
			FlushInterval: -1, // watches
			ErrorLog:      unheard,
		}
	}
	detour := &Detour{say: say, open: proxy(), late: proxy()}
	detour.late.ModifyResponse = detour.landed
	detour.late.ErrorHandler = func(_ http.ResponseWriter, _ *http.Request, err error) {
		detour.pass()
		say("lost " + err.Error())
	}
	return detour
}

// ServeHTTP passes a request on, now, later or never.
func (d *Detour) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet {
		d.open.ServeHTTP(w, request)
		return
	}
	// The whole of it: what is held back must not need its sender any more.
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	release, refused := d.judge(request, body)
	switch {
	case refused:
		// As if the network had lost it.
		panic(http.ErrAbortHandler)
	case release == nil:
		d.open.ServeHTTP(w, request)
	default:
		<-release
		ctx, cancel := context.WithCancel(context.WithoutCancel(request.Context()))
		defer cancel()
		d.late.ServeHTTP(w, request.WithContext(ctx))
	}
}

func (d *Detour) judge(request *http.Request, body []byte) (release <-chan struct{}, refused bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.wanted.is(request, body) {
		d.wanted, d.refused = nil, d.wanted
		d.release = make(chan struct{})
		d.say("held " + request.Method + " " + request.URL.Path)
		return d.release, false
	}
	return nil, d.refused.is(request, body)
}

// pass refuses nothing any more.
func (d *Detour) pass() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.refused = nil
}

func (d *Detour) landed(response *http.Response) error {
	// Not before: one like it could be the first to arrive.
	d.pass()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	var object struct {
		Reason   string
		Metadata struct{ Name, UID string }
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return err
	}
	said := []string{"landed", fmt.Sprint(response.StatusCode), object.Reason, object.Metadata.Name, object.Metadata.UID}
	d.say(strings.Join(strings.Fields(strings.Join(said, " ")), " "))
	return nil
}

// Order carries out one line: `hold METHOD PATH TEXT` holds the next request
// of this method and path back that has the text in its body, and refuses
// further ones like it; `pass` refuses them no more; `release` lets the held
// one go on, and those like it pass once it has landed.
func (d *Detour) Order(line string) error {
	words := strings.Fields(line)
	d.mutex.Lock()
	defer d.mutex.Unlock()
	switch {
	case len(words) == 4 && words[0] == "hold":
		if d.wanted != nil || d.release != nil {
			return fmt.Errorf("one request at a time")
		}
		d.wanted = &match{words[1], words[2], words[3]}
	case line == "pass":
		d.refused = nil
	case line == "release":
		if d.release == nil {
			return fmt.Errorf("no request is held")
		}
		close(d.release)
		d.release = nil
	default:
		return fmt.Errorf("no order %q: there are hold METHOD PATH TEXT, pass, release", line)
	}
	return nil
}
