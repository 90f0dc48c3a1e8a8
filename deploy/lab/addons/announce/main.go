// Command announce is the last CNI plugin of a lab's node. It tells the enforcer
// of NetworkPolicies the addresses that a pod has just got, and comes back when
// the rules for them are loaded, so nothing of the pod runs before. If nobody
// answers, the pod does not start; kubelet tries again.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const (
	// The enforcer may be on its way up.
	waitAtMost = 15 * time.Second
	tryAgain   = 50 * time.Millisecond
	// The code of CNI for what may work later.
	tryAgainLater = 11
	// What the enforcer answers when all is well.
	loaded = "loaded"
)

// configuration is what the plugin is given, with what those before it made.
type configuration struct {
	CNIVersion string          `json:"cniVersion"`
	Socket     string          `json:"socket"`
	Previous   json.RawMessage `json:"prevResult"`
}

func main() {
	given, err := io.ReadAll(os.Stdin)
	var config configuration
	if err == nil && len(given) > 0 {
		err = json.Unmarshal(given, &config)
	}
	switch command := os.Getenv("CNI_COMMAND"); {
	case err != nil:
	case command == "VERSION":
		fmt.Println(`{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}`)
	case command == "ADD":
		if err = announce(config, os.Getenv("CNI_ARGS")); err == nil {
			_, err = os.Stdout.Write(config.Previous)
		}
	}
	if err == nil {
		return
	}
	// CNI reads the reason from here.
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"cniVersion": "1.0.0", "code": tryAgainLater, "msg": "NetworkPolicies: " + err.Error(),
	})
	os.Exit(1)
}

func announce(config configuration, arguments string) error {
	var previous struct {
		IPs []struct{ Address netip.Prefix } `json:"ips"`
	}
	if err := json.Unmarshal(config.Previous, &previous); err != nil {
		return fmt.Errorf("what the plugin before made can't be read: %w", err)
	}
	addresses := []netip.Addr{}
	for _, each := range previous.IPs {
		addresses = append(addresses, each.Address.Addr())
	}
	known := map[string]string{}
	for _, pair := range strings.Split(arguments, ";") {
		name, value, _ := strings.Cut(pair, "=")
		known[name] = value
	}
	text, err := json.Marshal(map[string]any{
		"namespace": known["K8S_POD_NAMESPACE"], "name": known["K8S_POD_NAME"], "uid": known["K8S_POD_UID"],
		"addresses": addresses,
	})
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(waitAtMost); ; time.Sleep(tryAgain) {
		if err = tell(config.Socket, text, deadline); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func tell(socket string, text []byte, deadline time.Time) error {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return fmt.Errorf("the part network-policy does not answer: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := connection.Write(append(text, '\n')); err != nil {
		return err
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		return err
	}
	// One who ended meanwhile says nothing.
	if said := strings.TrimSpace(string(answer)); said != loaded {
		return fmt.Errorf("the part network-policy says %q", said)
	}
	return nil
}
