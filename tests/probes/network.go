package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// silence is how long nothing comes back before something counts as dropped.
const silence = 3 * time.Second

var networkProbes = []probe{
	{"P22", []attempt{{"a token for the gateway, shown to the API server", beKnownToTheAPIServer}}},
	{"P23", []attempt{{"connect", func(question Question) error { return reach("tcp " + question.Network.APIServer) }}}},
	reaching("P24", func(network Network) []string { return network.Metadata }),
	reaching("P26", func(network Network) []string { return network.Others }),
	{"P27", []attempt{
		{"as the system resolves", func(question Question) error { return resolve("") }},
		{"udp to the name server", func(question Question) error { return resolve("udp " + question.Network.NameServer) }},
		{"tcp to the name server", func(question Question) error { return resolve("tcp " + question.Network.NameServer) }},
	}},
	reaching("P28", func(network Network) []string { return network.Outside }),
	reaching("P30", func(network Network) []string { return network.LinkLocal }),
	reaching("P31", func(network Network) []string { return network.Victims }),
	{"P42", []attempt{{"report with each token", reportForAnother}}},
}

// reaching succeeds if any of the places answers.
func reaching(name string, places func(Network) []string) probe {
	return probe{name, []attempt{{"connect", func(question Question) error {
		return anyOf(places(question.Network), reach)
	}}}}
}

// anyOf tries all at once and returns no error if one worked.
func anyOf(places []string, try func(string) error) error {
	if len(places) == 0 {
		return unable{errors.New("nowhere to go")}
	}
	found := make([]error, len(places))
	var group sync.WaitGroup
	for i, place := range places {
		group.Go(func() { found[i] = try(place) })
	}
	group.Wait()
	if slices.Contains(found, nil) {
		return nil
	}
	for i, place := range places {
		found[i] = fmt.Errorf("%s: %w", place, found[i])
	}
	return errors.New(strings.ReplaceAll(errors.Join(found...).Error(), "\n", ", "))
}

// reach says something to "tcp ADDRESS:PORT" and waits for it to come back. The
// API server says nothing back: that it took the connection is enough.
func reach(place string) error {
	protocol, address, _ := strings.Cut(place, " ")
	connection, err := net.DialTimeout(protocol, address, silence)
	if err != nil {
		return brief(err)
	}
	defer connection.Close()
	if protocol == "tcp" {
		return nil
	}
	_ = connection.SetDeadline(time.Now().Add(silence))
	if _, err := connection.Write([]byte("hello")); err != nil {
		return brief(err)
	}
	_, err = connection.Read(make([]byte, 10))
	return brief(err)
}

// brief leaves out the addresses, of which there are two in each error.
func brief(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer")
	}
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}

// resolve asks for a name at "PROTOCOL ADDRESS", or where the system asks.
func resolve(at string) error {
	resolver := net.Resolver{PreferGo: true}
	if protocol, address, ok := strings.Cut(at, " "); ok {
		resolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, protocol, net.JoinHostPort(address, fmt.Sprint(namePort)))
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*silence)
	defer stop()
	found, err := resolver.LookupIP(ctx, "ip4", answerName)
	if err != nil {
		return brief(err)
	}
	if len(found) == 0 || !found[0].Equal(net.IP(resolved[:])) {
		return fmt.Errorf("another answer: %v", found)
	}
	return nil
}

// client believes every certificate: it has nothing to lose.
var client = http.Client{
	Timeout:   3 * silence,
	Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "lazarus-gateway"}},
}

func post(url, token, body string) (int, error) {
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, brief(err)
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

func beKnownToTheAPIServer(question Question) error {
	review := `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`
	url := "https://" + question.Network.APIServer + "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	code, err := post(url, question.Network.APIToken, review)
	if err == nil && code != http.StatusCreated {
		err = fmt.Errorf("code %d", code)
	}
	return err
}

func reportForAnother(question Question) error {
	var said []string
	// A gateway that is not there refuses nobody.
	for how, token := range question.Network.Tokens {
		code, err := post("https://"+question.Network.Gateway+"/beat", token, `{"protocol":1,"agent":"Healthy"}`)
		if err == nil && code == http.StatusOK {
			return nil
		}
		if err != nil {
			return unable{fmt.Errorf("%s: %w", how, err)}
		}
		said = append(said, fmt.Sprintf("%s: %d", how, code))
	}
	slices.Sort(said)
	return errors.New(strings.Join(said, ", "))
}
