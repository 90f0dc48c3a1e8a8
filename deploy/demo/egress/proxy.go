package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
)

// rules are what a proxy lets through.
//
// A client that obeys HTTPS_PROXY asks the proxy for a tunnel (CONNECT) and
// speaks TLS through it, so a proxy that only tunnels can't add a key. This one
// answers in the model's place, with a certificate of its own authority, which
// agents must trust, and asks the model itself. It does so for the model alone.
type rules struct {
	model     string                 // name:port; requests to it are read, and get the key
	allowed   []string               // name:port; tunnels to it are let through as they are
	key       func() (string, error) // what the model wants to see
	authority tls.Certificate        // whom agents trust
	trusted   *x509.CertPool         // whom the proxy trusts about the model
	// dial reaches an address; nil: as the system does.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// newProxy makes the proxy of these rules.
func newProxy(rules rules) (http.Handler, error) {
	for _, address := range append([]string{rules.model}, rules.allowed...) {
		if name, port, err := net.SplitHostPort(address); err != nil || name == "" || port == "" || canonical(address) != address {
			return nil, fmt.Errorf("%q: write it as name:port, in small letters", address)
		}
	}
	proxy := goproxy.NewProxyHttpServer()
	// The library's own would use a proxy if the environment names one.
	proxy.Tr = &http.Transport{
		DialContext:           rules.dial,
		TLSClientConfig:       &tls.Config{RootCAs: rules.trusted, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout:       time.Minute,
	}
	proxy.ConnectDial = nil
	proxy.NonproxyHandler = http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		log.Printf("refused: %s %q, which is no request to a proxy", request.Method, request.URL)
		http.Error(writer, "this is a proxy", http.StatusForbidden)
	})
	proxy.OnRequest().HandleConnectFunc(rules.connect)
	proxy.OnRequest().DoFunc(rules.request)
	return proxy, nil
}

// connect decides about a tunnel.
func (r rules) connect(asked string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	address := canonical(asked)
	if address == r.model {
		return &goproxy.ConnectAction{Action: goproxy.ConnectMitm, TLSConfig: goproxy.TLSConfigFromCA(&r.authority)}, address
	}
	for _, allowed := range r.allowed {
		if address == allowed {
			log.Printf("let through: a tunnel to %s", address)
			return goproxy.OkConnect, address
		}
	}
	ctx.Resp = refusal(ctx.Req, fmt.Sprintf("%q is not on the list", asked))
	return goproxy.RejectConnect, asked
}

// request decides about a request that can be read: one inside the tunnel to
// the model, or one that came without a tunnel. A client can write any host into
// either, so the tunnel's says nothing.
func (r rules) request(request *http.Request, _ *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	switch {
	case request.URL.Scheme != "https":
		return request, refusal(request, "only what is asked over TLS goes on")
	case canonical(request.URL.Host) != r.model:
		return request, refusal(request, fmt.Sprintf("%q is not the model", request.URL.Host))
	case request.Method != http.MethodGet && request.Method != http.MethodPost:
		// The answer to a TRACE would have the key in it.
		return request, refusal(request, "only GET and POST go on")
	}
	key, err := r.key()
	if err != nil {
		log.Printf("no key: %v", err)
		return request, answer(request, http.StatusBadGateway, "the proxy has no key")
	}
	request.URL.Host = r.model
	request.Host = strings.TrimSuffix(r.model, ":443")
	request.Header.Set("Authorization", "Bearer "+key)
	// With it the connection would be the client's from then on.
	request.Header.Del("Upgrade")
	log.Printf("let through: %s %s", request.Method, request.URL.Redacted())
	return request, nil
}

func refusal(request *http.Request, why string) *http.Response {
	log.Printf("refused: %s %q: %s", request.Method, request.Host, why)
	return answer(request, http.StatusForbidden, why)
}

func answer(request *http.Request, status int, text string) *http.Response {
	made := goproxy.NewResponse(request, goproxy.ContentTypeText, status, text+"\n")
	made.ProtoMajor, made.ProtoMinor = 1, 1
	return made
}

// canonical is the one way to write an address: small letters, and a port.
func canonical(address string) string {
	address = strings.ToLower(address)
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "443")
	}
	return address
}
