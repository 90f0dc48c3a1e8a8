package tree

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"lazarus-pit.io/lab/internal/place"
)

// setUpNetwork makes the tree's network: no cable leads out of it. A bridge
// holds the nodes' addresses, because kubelet refuses one on the loopback link.
func setUpNetwork(lab place.Lab) error {
	steps := []string{
		"link set lo up",
		"link add " + place.NodeBridge + " type bridge",
		"link set " + place.NodeBridge + " up",
	}
	for _, node := range lab.AllNodes() {
		steps = append(steps, fmt.Sprintf("address add %s/24 dev %s", node.Address(), place.NodeBridge))
	}
	// Programs look for the address of the default route.
	steps = append(steps, "route add default dev "+place.NodeBridge)
	if err := ipBatch(steps); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"ip_forward": "1",
		// A pod's link takes only what has the pod's own address.
		"conf/default/rp_filter": "1",
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func ipBatch(steps []string) error {
	command := exec.Command("ip", "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(steps, "\n") + "\n")
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, text)
	}
	return nil
}
