package main

import "testing"

func TestImportedImagesAreReadFromTheOutput(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	found := importedImages("unpacking lab.invalid:5000/a/b:c (" + digest + ")...done\nsomething else\n")
	if len(found) != 1 || found[0].name != "lab.invalid:5000/a/b:c" || found[0].digest != digest {
		t.Fatalf("%+v", found)
	}
	if got, want := found[0].withDigest(), "lab.invalid:5000/a/b@"+digest; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	untagged := importedImage{"lab.invalid:5000/a", digest}
	if got, want := untagged.withDigest(), "lab.invalid:5000/a@"+digest; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
