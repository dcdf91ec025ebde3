package main

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of what was used beforehand one page of each MiB is kept, and no other.
func TestBackingHoldsOnePageOfAMiB(t *testing.T) {
	b, err := backMemory(3*backedPiece + 1)
	if err != nil {
		t.Fatal(err)
	}
	if b.bytes != 3*backedPiece || b.firstUse <= 0 {
		t.Errorf("%d bytes, %f s a GiB", b.bytes, b.firstUse)
	}
	for _, piece := range b.held {
		page := make([]byte, len(piece)/os.Getpagesize())
		if _, _, no := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&piece[0])), uintptr(len(piece)), uintptr(unsafe.Pointer(&page[0]))); no != 0 {
			t.Fatal(no)
		}
		for i, in := range page {
			if want := i%int(mib/int64(os.Getpagesize())) == 0; in&1 == 1 != want {
				t.Fatalf("page %d is held: %v", i, !want)
			}
		}
	}
	if err := b.drop(); err != nil {
		t.Error(err)
	}
	if n := memAvailable(); n < gib/4 {
		t.Errorf("%d bytes are available", n)
	}
}
