package frame_test

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

func TestUnsealGivesWhatOpenGives(t *testing.T) {
	k := generate(t, "ten_01")
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, plain := range [][]byte{nil, []byte("x"), text(100), text(300_000), random(300_000), make([]byte, 1<<20)} {
		id, f := seal(t, k, chunk.KindData, plain)
		s, err := frame.Unseal(k, id, chunk.KindData, bytes.Clone(f))
		if err != nil || s.Plain != len(plain) {
			t.Fatalf("%d bytes: %d %v", len(plain), s.Plain, err)
		}
		got := s.Body
		if s.Zstd {
			if len(s.Body) >= s.Plain {
				t.Error("compressed to more than it was")
			}
			if got, err = d.DecodeAll(s.Body, nil); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, plain) {
			t.Errorf("%d bytes came out different", len(plain))
		}
	}
}

func TestUnsealRefusesWhatOpenRefuses(t *testing.T) {
	k := generate(t, "ten_01")
	id, f := seal(t, k, chunk.KindData, text(5000))
	for at := 0; at < len(f); at += 1 + len(f)/200 {
		bad := bytes.Clone(f)
		bad[at] ^= 1
		if _, err := frame.Unseal(k, id, chunk.KindData, bad); err == nil {
			t.Fatalf("a bit at %d of %d was not noticed", at, len(f))
		}
	}
	other := id
	other[0] ^= 1
	for name, try := range map[string]func() error{
		"another id":   func() error { _, err := frame.Unseal(k, other, chunk.KindData, bytes.Clone(f)); return err },
		"another kind": func() error { _, err := frame.Unseal(k, id, chunk.KindRecipe, bytes.Clone(f)); return err },
		"another tenant": func() error {
			_, err := frame.Unseal(generate(t, "ten_02"), id, chunk.KindData, bytes.Clone(f))
			return err
		},
		"cut off": func() error { _, err := frame.Unseal(k, id, chunk.KindData, bytes.Clone(f[:len(f)-1])); return err },
		"empty":   func() error { _, err := frame.Unseal(k, id, chunk.KindData, nil); return err },
	} {
		if try() == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
