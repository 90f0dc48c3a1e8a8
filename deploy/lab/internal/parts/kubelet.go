package parts

import (
	"context"
	"fmt"

	"lazarus-pit.io/lab/internal/place"
	"lazarus-pit.io/lab/internal/render"
)

func kubelet(node place.Node) Part {
	return Part{
		Name:    node.Part("kubelet"),
		After:   []string{"apiserver", node.Part("containerd")},
		Program: "kubelet",
		Args: []string{
			"--config=" + render.InNodeConfig(node, "kubelet.yaml"),
			"--kubeconfig=" + place.In("config", "kubelet-"+node.Name()+".kubeconfig"),
			"--hostname-override=" + node.Name(),
			"--node-ip=" + node.Address(),
			"--root-dir=" + node.Data("kubelet"),
			"--cert-dir=" + node.Data("kubelet", "pki"),
		},
		Ready: answers(localHealth, "http://"+node.Address()+":10248/healthz"),
	}
}

// nodeReady waits until the scheduler may use the node.
func nodeReady(api *apiClient, node place.Node) Part {
	return Part{
		Name:  "node " + node.Name(),
		After: []string{node.Part("kubelet")},
		Ready: func(ctx context.Context) error {
			var object struct {
				Spec struct {
					Taints []struct{ Key string }
				}
				Status struct {
					Conditions []struct{ Type, Status, Message string }
				}
			}
			if err := api.read(ctx, "/api/v1/nodes/"+node.Name(), &object); err != nil {
				return err
			}
			for _, condition := range object.Status.Conditions {
				if condition.Type == "Ready" && condition.Status != "True" {
					return fmt.Errorf("not ready: %s", condition.Message)
				}
			}
			for _, taint := range object.Spec.Taints {
				return fmt.Errorf("still has the taint %s", taint.Key)
			}
			return nil
		},
	}
}

// serviceAccountReady waits for what every new pod needs.
func serviceAccountReady(api *apiClient) Part {
	return Part{
		Name:  "default ServiceAccount",
		After: []string{"apiserver", "controller-manager"},
		Ready: func(ctx context.Context) error {
			if err := api.read(ctx, "/api/v1/namespaces/default/serviceaccounts/default", nil); err != nil {
				return err
			}
			return api.read(ctx, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt", nil)
		},
	}
}
