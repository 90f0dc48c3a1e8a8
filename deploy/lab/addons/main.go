// Command addons is what the lab adds to Kubernetes itself: an enforcer of
// NetworkPolicies and a provisioner of volumes, each small and made for tests.
// Which one runs is the base name it is called by.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"lazarus-pit.io/lab/addons/enforce"
	"lazarus-pit.io/lab/addons/volumes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	listen := flag.String("listen", "", "unix socket: of network-policy for the nodes to announce pods, of local-volumes a sign of life")
	pods := flag.String("pods", "", "network-policy: the range of all pods' addresses")
	folders := map[string]string{}
	flag.Func("node", "local-volumes: NODE=FOLDER, where a node's volumes are", func(text string) error {
		name, folder, ok := strings.Cut(text, "=")
		if !ok || !filepath.IsAbs(folder) {
			return errors.New("not NODE=FOLDER")
		}
		folders[name] = folder
		return nil
	})
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	switch name := filepath.Base(os.Args[0]); name {
	case "network-policy":
		range_, err := netip.ParsePrefix(*pods)
		if err != nil {
			return err
		}
		return enforce.Run(ctx, client, range_, *listen)
	case "local-volumes":
		return volumes.Run(ctx, client, folders, *listen)
	default:
		return fmt.Errorf("unknown program %q: call it by the name of a part", name)
	}
}
