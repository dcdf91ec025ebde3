package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ceiling is a limit of this machine that no backup program gets over.
type ceiling struct {
	Name string  `json:"name"`
	MiBs float64 `json:"mib_s"`
	What string  `json:"what"`
}

type ceilings struct {
	all []ceiling
}

func (c *ceilings) add(name string, mibs float64, what string) {
	c.all = append(c.all, ceiling{name, mibs, what})
}

func (c *ceilings) get(name string) float64 {
	for _, x := range c.all {
		if x.Name == name {
			return x.MiBs
		}
	}
	return 0
}

// The names of the ceilings.
const (
	ceilDisk    = "disk write + fsync"
	ceilPut     = "loopback PUT"
	ceilPutDisk = "loopback PUT + fsync"
	ceilCopy    = "cp -a"
	ceilNew     = "primitives, new"
	ceilFast    = "primitives, new, s2"
	ceilNoise   = "primitives, new, noise"
	ceilKnown   = "primitives, known"
	ceilRestore = "primitives, restore"
)

const aboutCopy = "cp -a of the tree on this disk, without fsync"

// of is the ceiling that a step is held against.
func (c *ceilings) of(k point) (string, float64) {
	name := ""
	switch {
	case k.Step == stepNew && k.Data == "noise":
		name = ceilNoise
	case k.Step == stepNew && k.Program == fastName:
		name = ceilFast
	case k.Step == stepNew:
		name = ceilNew
	case k.Step == stepRestore && k.Data == "tree":
		name = ceilCopy
	case k.Step == stepRestore:
		name = ceilRestore
	case k.Data != "tree" && (k.Step == stepUnchanged || k.Step == stepChanged):
		name = ceilKnown
	}
	return name, c.get(name)
}

// sinkVariable makes this program the trivial server that the loopback's ceiling
// is measured with: a directory to write and fsync into, or "discard".
const sinkVariable = "HOLDFAST_BENCH_SINK"

// sink serves until it is killed, and writes its address into the file.
func sink(where, addressFile string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := createWith(addressFile, func(w io.Writer) error { _, err := io.WriteString(w, l.Addr().String()+"\n"); return err }); err != nil {
		return err
	}
	n := 0
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := error(nil)
		if where == "discard" {
			_, err = io.Copy(io.Discard, r.Body)
		} else {
			n++
			err = writeDurably(filepath.Join(where, fmt.Sprintf("put-%d", n)), r.Body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}

func writeDurably(path string, r io.Reader) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, make([]byte, mib))
	return errors.Join(err, f.Sync(), f.Close())
}

// raw measures the disk, the loopback and cp with the file of a stream, each as
// often as there are runs, and notes the medians.
func (b *bench) raw(ctx context.Context, file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	dir, err := b.scratch.sub("raw")
	if err != nil {
		return err
	}
	times := newResults()
	at := func(name string) point { return point{Step: name} }
	for n := range b.o.runs {
		syscall.Sync()
		start := time.Now()
		in, err := os.Open(file)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, fmt.Sprintf("written-%d", n))
		err = errors.Join(writeDurably(to, in), in.Close())
		times.add(at(ceilDisk), sample{usage: usage{Wall: time.Since(start)}, Bytes: info.Size()})
		if err := errors.Join(err, b.scratch.drop(to)); err != nil {
			return err
		}
		into := filepath.Join(dir, fmt.Sprintf("puts-%d", n))
		if err := os.Mkdir(into, 0o700); err != nil {
			return err
		}
		for _, s := range []struct{ name, where string }{{ceilPut, "discard"}, {ceilPutDisk, into}} {
			took, err := b.throughSink(ctx, s.where, filepath.Join(dir, fmt.Sprintf("address-%d-%s", n, filepath.Base(s.where))), file)
			if err != nil {
				return err
			}
			times.add(at(s.name), sample{usage: usage{Wall: took}, Bytes: info.Size()})
		}
		if err := b.scratch.drop(into); err != nil {
			return err
		}
		if b.tree != nil && !b.o.does("tree") { // else it is copied among the restores
			syscall.Sync()
			to := filepath.Join(dir, fmt.Sprintf("copy-%d", n))
			u, err := run(ctx, command{args: []string{"cp", "-a", b.tree.dir, to}, env: environ(dir)})
			if err := errors.Join(err, b.scratch.later(to, b.o.size)); err != nil {
				return err
			}
			times.add(at(ceilCopy), sample{usage: u, Bytes: b.tree.bytes})
		}
	}
	for _, k := range times.order {
		m, _ := times.median("", k.Step, "")
		b.ceilings.add(k.Step, rate(m.Bytes, m.Wall), map[string]string{
			ceilDisk:    "one file written in blocks of 1 MiB, then fsync",
			ceilPut:     "one PUT by net/http into a server that throws it away, two processes",
			ceilPutDisk: "the same into a server that writes a file and fsyncs it",
			ceilCopy:    aboutCopy,
		}[k.Step])
	}
	return nil // the scratch directory goes as a whole
}

func (b *bench) throughSink(ctx context.Context, where, addressFile, file string) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	s, err := startServer([]string{self, addressFile}, environ(b.scratch.dir, sinkVariable+"="+where), nil)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if err := s.await(ctx, func() bool { return strings.HasSuffix(readText(addressFile), "\n") }); err != nil {
		return 0, err
	}
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	syscall.Sync()
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+strings.TrimSpace(readText(addressFile))+"/", in) // closes in
	if err != nil {
		return 0, errors.Join(err, in.Close())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the sink says %s", resp.Status)
	}
	return took, errors.Join(err, resp.Body.Close())
}
