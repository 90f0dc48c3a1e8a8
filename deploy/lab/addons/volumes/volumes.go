// Package volumes makes the volumes of the lab's StorageClass: a folder of the
// node that the scheduler has chosen, as a volume of the kind `local`, whose
// owner kubelet sets to the pod's fsGroup. A size is not enforced.
package volumes

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

const (
	// Class is the StorageClass of who asks for none.
	Class = "local"
	// Provisioner is the name that other classes may give too, such as one that retains.
	Provisioner = "lazarus-pit.io/lab-local"
	// finalizer keeps a volume's object until its folder has been dealt with.
	finalizer = "lazarus-pit.io/lab-local"
)

// Words of Kubernetes' protocol between scheduler, controller manager and provisioner.
const (
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	defaultClass  = "storageclass.kubernetes.io/is-default-class"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// provisioner works off one queue of claims and volumes.
type provisioner struct {
	client   kubernetes.Interface
	folders  map[string]string // by node
	informer informers.SharedInformerFactory
	events   record.EventRecorder
	queue    workqueue.TypedRateLimitingInterface[item]
}

// item is a claim, or a volume if it has no namespace.
type item struct{ namespace, name string }

// Run returns when it cannot go on or the context ends.
func Run(ctx context.Context, client kubernetes.Interface, folders map[string]string, socket string) error {
	if err := ensureClass(ctx, client); err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typed.EventSinkImpl{Interface: client.CoreV1().Events("")})
	p := &provisioner{
		client: client, folders: folders,
		informer: informers.NewSharedInformerFactory(client, 0),
		events:   broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: "lab-local-volumes"}),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[item](firstRetry, lastRetry)),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    p.add,
		UpdateFunc: func(_, after any) { p.add(after) },
	}
	claims, volumes := p.informer.Core().V1().PersistentVolumeClaims(), p.informer.Core().V1().PersistentVolumes()
	for _, each := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer()} {
		if _, err := each.AddEventHandler(handler); err != nil {
			return err
		}
	}
	p.informer.Start(ctx.Done())
	for kind, synced := range p.informer.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%s could not be read", kind)
		}
	}
	if err := signOfLife(ctx, socket); err != nil {
		return err
	}
	context.AfterFunc(ctx, p.queue.ShutDown)
	for p.next(ctx) {
	}
	return nil
}

func (p *provisioner) add(object any) {
	if object, ok := object.(meta.Object); ok {
		p.queue.Add(item{object.GetNamespace(), object.GetName()})
	}
}

func (p *provisioner) next(ctx context.Context) bool {
	one, shutdown := p.queue.Get()
	if shutdown {
		return false
	}
	defer p.queue.Done(one)
	act := p.provide
	if one.namespace == "" {
		act = p.reclaim
	}
	if err := act(ctx, one); err != nil {
		fmt.Printf("%s/%s: %v\n", one.namespace, one.name, err)
		p.queue.AddRateLimited(one)
		return true
	}
	p.queue.Forget(one)
	return true
}

func (p *provisioner) warn(object runtime.Object, text string) {
	p.events.Event(object, core.EventTypeWarning, "ProvisioningFailed", text)
}

// ensureClass leaves a class alone that is there: it may have been changed by hand.
func ensureClass(ctx context.Context, client kubernetes.Interface) error {
	later, delete_ := storage.VolumeBindingWaitForFirstConsumer, core.PersistentVolumeReclaimDelete
	class := &storage.StorageClass{
		ObjectMeta:        meta.ObjectMeta{Name: Class, Annotations: map[string]string{defaultClass: "true"}},
		Provisioner:       Provisioner,
		ReclaimPolicy:     &delete_,
		VolumeBindingMode: &later,
	}
	_, err := client.StorageV1().StorageClasses().Create(ctx, class, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// signOfLife accepts connections and closes them.
func signOfLife(ctx context.Context, socket string) error {
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
			connection.Close()
		}
	}()
	return nil
}
