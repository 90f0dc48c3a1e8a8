package detour

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const path = "/api/v1/namespaces/stage/pods"

// lab is an API server that says what it was sent, and a detour to it.
func lab(t *testing.T) (detour *Detour, address string, arrived, said chan string) {
	arrived, said = make(chan string, 10), make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		arrived <- request.Method + " " + string(body) + " " + request.Header.Get("Authorization")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"metadata":{"name":"scout-2","uid":"late"}}`)
	}))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	detour = New(target, http.DefaultTransport, func(line string) { said <- line })
	way := httptest.NewServer(detour)
	t.Cleanup(way.Close)
	return detour, way.URL, arrived, said
}

func send(ctx context.Context, t *testing.T, address, text string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address+path, bytes.NewBufferString(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer own")
	response, err := http.DefaultClient.Do(request)
	if err == nil {
		response.Body.Close()
	}
	return err
}

func next(t *testing.T, lines chan string) string {
	select {
	case line := <-lines:
		return line
	case <-time.After(time.Minute):
		t.Fatal("nothing was said")
		return ""
	}
}

func order(t *testing.T, detour *Detour, line string) {
	if err := detour.Order(line); err != nil {
		t.Fatal(err)
	}
}

func TestAHeldRequestLandsAfterItsSenderIsGone(t *testing.T) {
	detour, address, arrived, said := lab(t)
	order(t, detour, "hold POST "+path+" scout-2")
	gone, leave := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() { sent <- send(gone, t, address, "scout-2") }()
	if line := next(t, said); line != "held POST "+path {
		t.Fatal(line)
	}
	leave()
	if err := <-sent; err == nil {
		t.Fatal("the sender got an answer")
	}
	// Others go on meanwhile, and those like it when they may.
	if err := send(t.Context(), t, address, "relay-2"); err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), t, address, "scout-2"); err == nil {
		t.Fatal("one like the held one passed")
	}
	order(t, detour, "pass")
	if err := send(t.Context(), t, address, "scout-2 again"); err != nil {
		t.Fatal(err)
	}
	order(t, detour, "release")
	if line := next(t, said); line != "landed 201 scout-2 late" {
		t.Fatal(line)
	}
	for _, want := range []string{"relay-2", "scout-2 again", "scout-2"} {
		if line := next(t, arrived); line != "POST "+want+" Bearer own" {
			t.Fatalf("%q is not about %q", line, want)
		}
	}
}

// slow has a request wait on its way.
type slow struct{ through chan struct{} }

func (s slow) RoundTrip(request *http.Request) (*http.Response, error) {
	<-s.through
	return http.DefaultTransport.RoundTrip(request)
}

func TestNoneLikeTheHeldOneOvertakesIt(t *testing.T) {
	detour, address, _, said := lab(t)
	through := make(chan struct{})
	let := sync.OnceFunc(func() { close(through) })
	t.Cleanup(let)
	detour.late.Transport = slow{through}
	order(t, detour, "hold POST "+path+" scout-2")
	sent := make(chan error, 1)
	go func() { sent <- send(t.Context(), t, address, "scout-2") }()
	next(t, said)
	order(t, detour, "release")
	if err := send(t.Context(), t, address, "scout-2"); err == nil {
		t.Fatal("another one was first")
	}
	let()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), t, address, "scout-2"); err != nil {
		t.Fatal(err)
	}
}

func TestOrdersThatMakeNoSenseAreRefused(t *testing.T) {
	detour, _, _, _ := lab(t)
	for _, line := range []string{"", "hold POST", "release", "let go"} {
		if err := detour.Order(line); err == nil {
			t.Errorf("%q is an order", line)
		}
	}
	order(t, detour, "hold POST "+path+" a")
	if err := detour.Order("hold POST " + path + " b"); err == nil || !strings.Contains(err.Error(), "one request") {
		t.Error(err)
	}
}
