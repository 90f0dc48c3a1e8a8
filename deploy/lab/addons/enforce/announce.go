package enforce

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// A node waits for less; see the announcing program.
	answerWithin = 10 * time.Second
	lookAgain    = 10 * time.Millisecond
)

// announcement is what a node says of a pod that has just got its addresses and
// runs nothing yet.
type announcement struct {
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	UID       types.UID    `json:"uid"`
	Addresses []netip.Addr `json:"addresses"`
}

// done is the answer when the rules for the pod are loaded; any other says why not.
const done = "loaded"

// serve answers announcements, each in its own time.
func (e *enforcer) serve(ctx context.Context, socket string) error {
	// An earlier run may have left it.
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				if err := e.answer(ctx, connection); err != nil {
					fmt.Fprintln(connection, err)
					return
				}
				fmt.Fprintln(connection, done)
			}()
		}
	}()
	return nil
}

func (e *enforcer) answer(ctx context.Context, connection net.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := connection.SetReadDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	var pod announcement
	if err := json.NewDecoder(connection).Decode(&pod); err == io.EOF {
		return nil // only asks whether somebody is here
	} else if err != nil {
		return err
	}
	if err := e.catchUp(ctx, pod); err != nil {
		return err
	}
	loaded := make(chan struct{})
	e.mutex.Lock()
	e.announced[pod.UID] = pod.Addresses
	e.waiting = append(e.waiting, loaded)
	e.mutex.Unlock()
	e.kick()
	select {
	case <-loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the rules for pod %s/%s were not loaded: %w", pod.Namespace, pod.Name, ctx.Err())
	}
}

// catchUp waits until the caches have the pod, and every policy that the API
// server has in its namespace by now. Without it a pod could run for as long as
// the watch is late, under fewer policies than were made before it.
func (e *enforcer) catchUp(ctx context.Context, pod announcement) error {
	for {
		behind, err := e.behind(ctx, pod)
		if err != nil || behind == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cache lacks %s: %w", behind, ctx.Err())
		case <-time.After(lookAgain):
		}
	}
}

// behind says what the caches lack, or nothing.
func (e *enforcer) behind(ctx context.Context, pod announcement) (string, error) {
	known, err := e.informer.Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	if errors.IsNotFound(err) || (err == nil && known.UID != pod.UID) {
		return fmt.Sprintf("pod %s/%s %s", pod.Namespace, pod.Name, pod.UID), nil
	}
	if err != nil {
		return "", err
	}
	policies, err := e.client.NetworkingV1().NetworkPolicies(pod.Namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		return "", err
	}
	cached := e.informer.Networking().V1().NetworkPolicies().Lister().NetworkPolicies(pod.Namespace)
	for _, each := range policies.Items {
		have, err := cached.Get(each.Name)
		if errors.IsNotFound(err) || (err == nil && older(have.ResourceVersion, each.ResourceVersion)) {
			return "NetworkPolicy " + each.Namespace + "/" + each.Name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

func older(have, want string) bool {
	first, firstErr := strconv.ParseUint(have, 10, 64)
	second, secondErr := strconv.ParseUint(want, 10, 64)
	return firstErr != nil || secondErr != nil || first < second
}
