package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// provide makes a claim's volume once the scheduler has chosen a node.
func (p *provisioner) provide(ctx context.Context, one item) error {
	claim, err := p.informer.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(one.namespace).Get(one.name)
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, meta.GetOptions{})
	if errors.IsNotFound(err) || (err == nil && class.Provisioner != Provisioner) {
		return nil
	}
	if err != nil {
		return err
	}
	if problem := unsupported(claim, class); problem != "" {
		p.warn(claim, problem)
		return nil
	}
	node := claim.Annotations[selectedNode]
	if node == "" {
		return nil // no pod uses it yet
	}
	folder, ok := p.folders[node]
	if !ok {
		p.warn(claim, "no volumes on node "+node)
		return nil
	}
	volume := describe(claim, class, node, folder)
	// As on a new disk: who is not root needs an fsGroup.
	if err := os.MkdirAll(volume.Spec.Local.Path, 0o755); err != nil {
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// unsupported says what of a claim a folder can't be, or nothing.
func unsupported(claim *core.PersistentVolumeClaim, class *storage.StorageClass) string {
	spec := claim.Spec
	once := func(mode core.PersistentVolumeAccessMode) bool {
		return mode == core.ReadWriteOnce || mode == core.ReadWriteOncePod
	}
	switch {
	case !slices.ContainsFunc(spec.AccessModes, once) || slices.ContainsFunc(spec.AccessModes, func(mode core.PersistentVolumeAccessMode) bool { return !once(mode) }):
		return fmt.Sprintf("access modes %v: there are ReadWriteOnce and ReadWriteOncePod", spec.AccessModes)
	case spec.VolumeMode != nil && *spec.VolumeMode != core.PersistentVolumeFilesystem:
		return fmt.Sprintf("volumeMode %s: there is Filesystem", *spec.VolumeMode)
	case spec.Selector != nil || spec.DataSource != nil || spec.DataSourceRef != nil:
		return "selector, dataSource and dataSourceRef are not supported"
	case class.VolumeBindingMode == nil || *class.VolumeBindingMode != storage.VolumeBindingWaitForFirstConsumer:
		return "class " + class.Name + " has no volumeBindingMode WaitForFirstConsumer, so nobody chooses a node"
	default:
		return ""
	}
}

func describe(claim *core.PersistentVolumeClaim, class *storage.StorageClass, node, folder string) *core.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	policy := core.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	mode := core.PersistentVolumeFilesystem
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{provisionedBy: Provisioner},
			Finalizers:  []string{finalizer},
		},
		Spec: core.PersistentVolumeSpec{
			Capacity:    core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			AccessModes: claim.Spec.AccessModes,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			VolumeMode:                    &mode,
			PersistentVolumeSource: core.PersistentVolumeSource{
				Local: &core.LocalVolumeSource{Path: filepath.Join(folder, name)},
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{
					{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{node}},
				}}},
			}},
		},
	}
}
