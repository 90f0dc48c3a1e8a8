package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	modelName = "model.example"
	friend    = "friend.example.com:443" // allowed
	stranger  = "stranger.example.com:443"
)

// seen is what reached a server.
type seen struct {
	sync.Mutex
	requests []*http.Request
}

func (s *seen) note(request *http.Request) {
	s.Lock()
	defer s.Unlock()
	s.requests = append(s.requests, request)
}

func (s *seen) all() []*http.Request {
	s.Lock()
	defer s.Unlock()
	return s.requests
}

// scene is a proxy, the model, and a server that is somebody else.
type scene struct {
	folder, key             string
	proxy                   string // its address
	modelAddress            string
	model, elsewhere        seen
	agent                   *http.Client
	trusted                 *tls.Config // what an agent trusts: the proxy, and somebody else's own certificate
	redirect                string      // where the model sends its clients
	modelServer, elseServer *httptest.Server
}

// play makes a scene in which the model's certificate is the one that the proxy
// was told of, unless it is an impostor.
func play(t *testing.T, impostor bool) *scene {
	t.Helper()
	s := &scene{folder: t.TempDir()}
	if err := makeCredentials(s.folder, modelName); err != nil {
		t.Fatal(err)
	}
	s.key = strings.TrimSpace(read(t, s.file("key")))
	s.modelServer = httptest.NewUnstartedServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		s.model.note(request)
		if s.redirect != "" {
			http.Redirect(writer, request, s.redirect, http.StatusTemporaryRedirect)
			return
		}
		newModel(keyIn(s.file("key"))).ServeHTTP(writer, request)
	}))
	folder := s.folder
	if impostor {
		folder = t.TempDir()
		if err := makeCredentials(folder, modelName); err != nil {
			t.Fatal(err)
		}
	}
	s.modelServer.TLS = &tls.Config{Certificates: []tls.Certificate{pair(t, folder, "model")}}
	s.modelServer.Config.ErrorLog = quiet()
	s.modelServer.StartTLS()
	t.Cleanup(s.modelServer.Close)
	s.elseServer = httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { s.elsewhere.note(request) }))
	t.Cleanup(s.elseServer.Close)

	trusted, err := certificatesIn(s.file("model.crt"))
	if err != nil {
		t.Fatal(err)
	}
	handler, err := newProxy(rules{
		model: modelName + ":443", allowed: []string{friend}, key: keyIn(s.file("key")),
		authority: pair(t, s.folder, "authority"), trusted: trusted,
		dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := s.elseServer.Listener.Addr().String()
			if address == modelName+":443" {
				to = s.modelServer.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(handler)
	t.Cleanup(proxy.Close)
	s.proxy = proxy.Listener.Addr().String()

	pool, err := certificatesIn(s.file("authority.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(s.elseServer.Certificate())
	s.trusted = &tls.Config{RootCAs: pool}
	way := &url.URL{Scheme: "http", Host: s.proxy}
	s.agent = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(way), TLSClientConfig: s.trusted}}
	t.Cleanup(s.agent.CloseIdleConnections)
	return s
}

func (s *scene) file(name string) string { return filepath.Join(s.folder, name) }

// ask asks the model as an agent does.
func (s *scene) ask(t *testing.T, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, "https://"+modelName+"/v1/completions", strings.NewReader(`{"prompt": "what shall I do"}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.agent.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var all bytes.Buffer
	if err := answer.Write(&all); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(all.String(), s.key) {
		t.Fatalf("the agent sees the key: %s", all.String())
	}
	return answer.StatusCode, all.String()
}

// tunnel asks for one, as bytes on a connection.
func (s *scene) tunnel(t *testing.T, address string) (net.Conn, *http.Response) {
	t.Helper()
	connection, err := net.Dial("tcp", s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	fmt.Fprintf(connection, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", address, address)
	return connection, answerOn(t, connection)
}

// answerOn reads no further than the head: the server says nothing after it unasked.
func answerOn(t *testing.T, connection io.Reader) *http.Response {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func pair(t *testing.T, folder, name string) tls.Certificate {
	t.Helper()
	made, err := tls.LoadX509KeyPair(filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheModelGetsTheKeyThatTheAgentDoesNotHave(t *testing.T) {
	s := play(t, false)
	for _, headers := range [][]string{nil, {"Authorization", "Bearer mine"}, {"Connection", "Authorization"}, {"Host", stranger}} {
		if status, answer := s.ask(t, headers...); status != http.StatusOK || !strings.Contains(answer, "you asked in 4 words") {
			t.Errorf("with %q: %d %s", headers, status, answer)
		}
	}
	for _, request := range s.model.all() {
		if got := request.Header["Authorization"]; len(got) != 1 || got[0] != "Bearer "+s.key || request.Host != modelName {
			t.Errorf("the model sees %q for %q", got, request.Host)
		}
	}
}

func TestAKeyThatChangesIsUsedAtOnce(t *testing.T) {
	s := play(t, false)
	s.ask(t)
	s.key = "another"
	if err := os.WriteFile(s.file("key"), []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, answer := s.ask(t); status != http.StatusOK {
		t.Error(status, answer)
	}
	if err := os.WriteFile(s.file("key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.key = "nobody would say this"
	if status, _ := s.ask(t); status != http.StatusBadGateway {
		t.Error("without a key the answer is", status)
	}
}

func TestNoOtherTunnelIsMade(t *testing.T) {
	s := play(t, false)
	for _, address := range []string{
		stranger, "stranger.example.com:80", modelName + ":80", modelName + ".:443", "x." + modelName + ":443", modelName + ":443.example.com:443",
		"127.0.0.1:443", "[::1]:443", "10.96.0.1:443", "169.254.169.254:80", ":443", "friend.example.com:22",
	} {
		if _, answer := s.tunnel(t, address); answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusBadRequest {
			t.Errorf("CONNECT %s: %s", address, answer.Status)
		}
	}
	if len(s.model.all())+len(s.elsewhere.all()) > 0 {
		t.Error("something was reached")
	}
}

func TestARequestWithoutATunnelIsRefused(t *testing.T) {
	s := play(t, false)
	for _, target := range []string{"http://" + modelName + "/", "http://" + modelName + ":443/", "http://stranger.example.com/", "https://stranger.example.com/", "/", "*"} {
		connection, err := net.Dial("tcp", s.proxy)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, modelName)
		if answer := answerOn(t, connection); answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusBadRequest {
			t.Errorf("GET %s: %s", target, answer.Status)
		}
		connection.Close()
	}
	if len(s.model.all())+len(s.elsewhere.all()) > 0 {
		t.Error("something was reached")
	}
}

func TestInsideTheTunnelOnlyTheModelIsAsked(t *testing.T) {
	s := play(t, false)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: stranger.example.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: friend.example.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + modelName + ":80\r\n\r\n",
		"GET https://friend.example.com/ HTTP/1.1\r\nHost: " + modelName + "\r\n\r\n",
		"GET //friend.example.com/ HTTP/1.1\r\nHost: friend.example.com\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + modelName + "@friend.example.com\r\n\r\n",
		"TRACE / HTTP/1.1\r\nHost: " + modelName + "\r\n\r\n",
		"CONNECT friend.example.com:443 HTTP/1.1\r\nHost: " + modelName + "\r\n\r\n",
	} {
		connection, answer := s.tunnel(t, modelName+":443")
		if answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
		inside := tls.Client(connection, &tls.Config{RootCAs: s.trusted.RootCAs, ServerName: modelName})
		if _, err := io.WriteString(inside, request); err != nil {
			t.Fatal(err)
		}
		// Nothing at all is as good as a refusal.
		if answer, err := http.ReadResponse(bufio.NewReader(inside), nil); err == nil && answer.StatusCode != http.StatusForbidden {
			t.Errorf("%q: %s", request, answer.Status)
		}
		inside.Close()
	}
	if len(s.model.all())+len(s.elsewhere.all()) > 0 {
		t.Error("something was reached")
	}
}

func TestInTheClearTheModelIsNotAsked(t *testing.T) {
	s := play(t, false)
	connection, _ := s.tunnel(t, modelName+":443")
	fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", modelName)
	if answer := answerOn(t, connection); answer.StatusCode != http.StatusForbidden {
		t.Error(answer.Status)
	}
	if len(s.model.all()) > 0 {
		t.Error("the model was asked")
	}
}

func TestWhoeverElseIsAllowedDoesNotGetTheKey(t *testing.T) {
	s := play(t, false)
	s.redirect = "https://" + friend + "/v1/completions"
	if status, answer := s.ask(t); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	requests := s.elsewhere.all()
	if len(s.model.all()) != 1 || len(requests) != 1 {
		t.Fatalf("the model was asked %d times, the other %d times", len(s.model.all()), len(requests))
	}
	if got := requests[0].Header["Authorization"]; got != nil {
		t.Errorf("the other sees %q", got)
	}
}

func TestARedirectToAStrangerEndsAtTheProxy(t *testing.T) {
	s := play(t, false)
	s.redirect = "https://" + stranger + "/"
	answer, err := s.agent.Get("https://" + modelName + "/")
	if err == nil {
		answer.Body.Close()
		t.Fatal(answer.Status)
	}
	if !strings.Contains(err.Error(), "Forbidden") || len(s.elsewhere.all()) > 0 {
		t.Error(err)
	}
}

func TestAnImpostorGetsNothing(t *testing.T) {
	s := play(t, true)
	if answer, err := s.agent.Get("https://" + modelName + "/"); err == nil {
		answer.Body.Close()
		t.Error(answer.Status)
	}
	if len(s.model.all()) > 0 {
		t.Error("the impostor was asked")
	}
}

// vouches makes a certificate of the authority in this folder, and is what who
// trusts that authority says of it.
func vouches(t *testing.T, folder string, template x509.Certificate, name string) error {
	t.Helper()
	authority := pair(t, folder, "authority")
	template.SerialNumber, template.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
	made, err := x509.CreateCertificate(rand.Reader, &template, authority.Leaf, authority.Leaf.PublicKey, authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(made)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := certificatesIn(filepath.Join(folder, "authority.crt"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: pool, DNSName: name})
	return err
}

func TestTheAuthorityVouchesForTheModelAlone(t *testing.T) {
	folder := t.TempDir()
	if err := makeCredentials(folder, modelName); err != nil {
		t.Fatal(err)
	}
	leaf := pair(t, folder, "authority").Leaf
	if !leaf.PermittedDNSDomainsCritical || fmt.Sprint(leaf.PermittedDNSDomains) != "["+modelName+"]" || !leaf.IsCA {
		t.Error(leaf.PermittedDNSDomains)
	}
	pool, err := certificatesIn(filepath.Join(folder, "authority.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair(t, folder, "model").Leaf.Verify(x509.VerifyOptions{DNSName: modelName, Roots: pool}); err == nil {
		t.Error("agents trust the model's own certificate")
	}
	if err := vouches(t, folder, x509.Certificate{DNSNames: []string{modelName}}, modelName); err != nil {
		t.Error(err)
	}
	if vouches(t, folder, x509.Certificate{DNSNames: []string{"friend.example.com"}}, "friend.example.com") == nil {
		t.Error("it vouches for another name")
	}
	for _, address := range []string{"10.96.0.1", "127.0.0.1", "2001:db8::1"} {
		if vouches(t, folder, x509.Certificate{IPAddresses: []net.IP{net.ParseIP(address)}}, address) == nil {
			t.Error("it vouches for", address)
		}
	}
}

func TestAWrongAddressStopsTheProxy(t *testing.T) {
	for _, address := range []string{"", "model", ":443", "Model.example:443", "model.example:"} {
		if _, err := newProxy(rules{model: address}); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
}
