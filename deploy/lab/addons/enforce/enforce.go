// Package enforce keeps the network of the lab's nodes in line with the
// cluster's NetworkPolicies. What they mean is [policy]'s; this is its client.
package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"lazarus-pit.io/lab/addons/policy"
)

// retryAfter is how long after a failure the rules are loaded again.
const retryAfter = time.Second

// enforcer is one loop that reads the caches and loads the rules. All else only
// wakes it.
type enforcer struct {
	client   kubernetes.Interface
	range_   netip.Prefix
	informer informers.SharedInformerFactory
	wake     chan struct{}

	mutex sync.Mutex
	// announced are the addresses that pods have got, before their status says so.
	announced map[types.UID][]netip.Addr
	waiting   []chan struct{} // closed when the rules have been loaded
}

// Run returns when it cannot go on or the context ends. The rules stay.
func Run(ctx context.Context, client kubernetes.Interface, range_ netip.Prefix, socket string) error {
	e := &enforcer{
		client: client, range_: range_, wake: make(chan struct{}, 1),
		informer:  informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(strip)),
		announced: map[types.UID][]netip.Addr{},
	}
	for _, each := range []cache.SharedIndexInformer{
		e.informer.Core().V1().Pods().Informer(),
		e.informer.Core().V1().Namespaces().Informer(),
		e.informer.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := each.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { e.kick() },
			DeleteFunc: func(any) { e.kick() },
			UpdateFunc: func(before, after any) {
				if !reflect.DeepEqual(relevant(before), relevant(after)) {
					e.kick()
				}
			},
		}); err != nil {
			return err
		}
	}
	e.informer.Start(ctx.Done())
	for kind, synced := range e.informer.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%s could not be read", kind)
		}
	}
	return e.loop(ctx, socket)
}

// loop opens the socket after the first load: who finds it finds the rules.
func (e *enforcer) loop(ctx context.Context, socket string) error {
	loaded, listening := "", false
	complained := map[policy.Complaint]bool{}
	for {
		waiting, model, err := e.compute()
		if err != nil {
			return err
		}
		complained = complain(model.Complaints, complained)
		if script := model.Script(); script != loaded {
			if err := load(ctx, script); err != nil {
				fmt.Println(err)
				if !e.again(ctx, waiting) {
					return nil
				}
				continue
			}
			loaded = script
		}
		for _, each := range waiting {
			close(each)
		}
		if !listening {
			if err := e.serve(ctx, socket); err != nil {
				return err
			}
			listening = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		}
	}
}

// compute reads the caches. Whoever was waiting before that is served by it.
func (e *enforcer) compute() ([]chan struct{}, policy.Model, error) {
	e.mutex.Lock()
	waiting := e.waiting
	e.waiting = nil
	e.mutex.Unlock()
	var none policy.Model
	objects, err := e.informer.Core().V1().Pods().Lister().List(labels.Everything())
	if err != nil {
		return nil, none, err
	}
	spaces, err := e.informer.Core().V1().Namespaces().Lister().List(labels.Everything())
	if err != nil {
		return nil, none, err
	}
	policies, err := e.informer.Networking().V1().NetworkPolicies().Lister().List(labels.Everything())
	if err != nil {
		return nil, none, err
	}
	namespaces := policy.Namespaces{}
	for _, each := range spaces {
		namespaces[each.Name] = each.Labels
	}
	return waiting, policy.Compute(e.range_, e.addressed(objects), namespaces, policies), nil
}

// again is for a load that failed: whoever waits goes on waiting. It is false
// when the context has ended.
func (e *enforcer) again(ctx context.Context, waiting []chan struct{}) bool {
	e.mutex.Lock()
	e.waiting = append(e.waiting, waiting...)
	e.mutex.Unlock()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(retryAfter):
		return true
	}
}

// addressed gives each pod its addresses. An announcement is newer than any
// status: a pod's own, and that of one which had the address before the lab was
// started again.
func (e *enforcer) addressed(objects []*core.Pod) []policy.Pod {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	known := map[types.UID]bool{}
	taken := map[netip.Addr]bool{}
	for _, object := range objects {
		known[object.UID] = true
		for _, address := range e.announced[object.UID] {
			taken[address] = true
		}
	}
	for uid := range e.announced {
		if !known[uid] {
			delete(e.announced, uid)
		}
	}
	var pods []policy.Pod
	for _, object := range objects {
		if object.Spec.HostNetwork || object.Status.Phase == core.PodSucceeded || object.Status.Phase == core.PodFailed {
			continue
		}
		pod := policy.Pod{Namespace: object.Namespace, Name: object.Name, Labels: object.Labels}
		if pod.Addresses = e.announced[object.UID]; pod.Addresses == nil {
			for _, text := range object.Status.PodIPs {
				if address, err := netip.ParseAddr(text.IP); err == nil && !taken[address] {
					pod.Addresses = append(pod.Addresses, address)
				}
			}
		}
		if len(pod.Addresses) > 0 {
			pods = append(pods, pod)
		}
	}
	return pods
}

func (e *enforcer) kick() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// complain says once what is not understood.
func complain(complaints []policy.Complaint, said map[policy.Complaint]bool) map[policy.Complaint]bool {
	now := map[policy.Complaint]bool{}
	for _, each := range complaints {
		now[each] = true
		if !said[each] {
			fmt.Println(each)
		}
	}
	return now
}

func load(ctx context.Context, script string) error {
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(script)
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, text)
	}
	return nil
}

// strip keeps what decides, and little else, in memory.
func strip(object any) (any, error) {
	switch object := object.(type) {
	case *core.Pod:
		kept := &core.Pod{
			Spec:   core.PodSpec{HostNetwork: object.Spec.HostNetwork},
			Status: core.PodStatus{Phase: object.Status.Phase, PodIPs: object.Status.PodIPs},
		}
		kept.Namespace, kept.Name, kept.UID = object.Namespace, object.Name, object.UID
		kept.ResourceVersion, kept.Labels = object.ResourceVersion, object.Labels
		return kept, nil
	case *networking.NetworkPolicy:
		object.ManagedFields, object.Annotations = nil, nil
	}
	return object, nil
}

// relevant is what of an object changes the rules.
func relevant(object any) any {
	switch object := object.(type) {
	case *core.Pod:
		return []any{object.UID, object.Labels, object.Spec, object.Status}
	case *core.Namespace:
		return object.Labels
	case *networking.NetworkPolicy:
		return object.Spec
	default:
		return object
	}
}
