package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// backing keeps the machine's free memory backed by its host while the bench runs.
//
// Many hosts give memory to a virtual machine page by page, and take back what has
// been free for a while (Linux: free page reporting). Whoever uses such a page next
// waits for the host: where this was written 3.5 s of processor time a GiB, ten times
// what copying into it costs. It falls on whichever program happens to grow, or to
// write into the page cache, and made the same program differ by 40 % between runs.
//
// So most of the free memory is used once before anything is measured, and given back
// but for one page of each MiB. What is free then lies in pieces smaller than those
// that Linux reports (2 MiB), and stays backed. What is held is a 256th of it.
type backing struct {
	held [][]byte
	// bytes were made sure of, at firstUse seconds a GiB.
	bytes    int64
	firstUse float64
}

// backMemory makes sure of so many bytes, in whole pieces.
func backMemory(size int64) (*backing, error) {
	b := &backing{}
	began := time.Now()
	for b.bytes+backedPiece <= size {
		piece, err := unix.Mmap(-1, 0, int(backedPiece), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("use memory beforehand (--cold does not): %w", err), b.drop())
		}
		b.held, b.bytes = append(b.held, piece), b.bytes+backedPiece
		if err := unix.Madvise(piece, unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without huge pages
			return nil, errors.Join(fmt.Errorf("use memory beforehand (--cold does not): %w", err), b.drop())
		}
		for at := 0; at < len(piece); at += os.Getpagesize() {
			piece[at] = 1
		}
	}
	if b.bytes > 0 {
		b.firstUse = time.Since(began).Seconds() * float64(gib) / float64(b.bytes)
	}
	for _, piece := range b.held {
		for at := 0; at < len(piece); at += int(mib) {
			if err := unix.Madvise(piece[at+os.Getpagesize():at+int(mib)], unix.MADV_DONTNEED); err != nil {
				return nil, errors.Join(fmt.Errorf("give memory back: %w", err), b.drop())
			}
		}
	}
	return b, nil
}

// drop gives the rest back.
func (b *backing) drop() (err error) {
	for _, piece := range b.held {
		err = errors.Join(err, unix.Munmap(piece))
	}
	b.held = nil
	return err
}

// memAvailable is what programs can have without swapping, in bytes; 0 where that is
// not known.
func memAvailable() int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(after(readText("/proc/meminfo"), "MemAvailable:"), " kB"), 10, 64)
	return kb * kib
}
