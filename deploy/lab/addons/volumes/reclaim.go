package volumes

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reclaim removes what nobody claims any more, unless it is to be retained.
func (p *provisioner) reclaim(ctx context.Context, one item) error {
	volume, err := p.informer.Core().V1().PersistentVolumes().Lister().Get(one.name)
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if volume.Annotations[provisionedBy] != Provisioner {
		return nil
	}
	objects := p.client.CoreV1().PersistentVolumes()
	// Until it is released, Kubernetes has a finalizer of its own on it.
	ending := volume.DeletionTimestamp != nil && slices.Equal(volume.Finalizers, []string{finalizer})
	unclaimed := ending || (volume.DeletionTimestamp == nil && volume.Status.Phase == core.VolumeReleased)
	if !unclaimed {
		return nil
	}
	if volume.Spec.PersistentVolumeReclaimPolicy == core.PersistentVolumeReclaimDelete {
		// By its name and not by the path in the object, which somebody may have written.
		for _, folder := range p.folders {
			if err := os.RemoveAll(filepath.Join(folder, volume.Name)); err != nil {
				return err
			}
		}
		if !ending {
			return ignoreNotFound(objects.Delete(ctx, volume.Name, meta.DeleteOptions{
				Preconditions: meta.NewUIDPreconditions(string(volume.UID)),
			}))
		}
	}
	if !ending {
		return nil
	}
	freed := volume.DeepCopy()
	freed.Finalizers = nil
	_, err = objects.Update(ctx, freed, meta.UpdateOptions{})
	return ignoreNotFound(err)
}

func ignoreNotFound(err error) error {
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}
