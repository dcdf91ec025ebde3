package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// memory is what one generated stream of a size needed, in MiB.
type memory struct {
	Bytes         int64   `json:"bytes"`
	PushClient    float64 `json:"push_client_mib"`
	PushServer    float64 `json:"push_server_mib"`
	RestoreClient float64 `json:"restore_client_mib"`
	RestoreServer float64 `json:"restore_server_mib"`
	PushMiBs      float64 `json:"push_mib_s"`
	RestoreMiBs   float64 `json:"restore_mib_s"`
}

func (m memory) most() float64 {
	return max(m.PushClient, m.PushServer, m.RestoreClient, m.RestoreServer)
}

// flat sends generated streams in and out, which are never on a disk as they are,
// and compares what comes back by its digest.
func (b *bench) flat(ctx context.Context, sizes ...int64) error {
	for _, size := range sizes {
		m, err := b.through(ctx, size)
		if err != nil {
			return fmt.Errorf("a stream of %s: %w", sizeText(size), err)
		}
		b.extra.Memory = append(b.extra.Memory, m)
		b.say("one stream of %s: push %.0f + %.0f MiB at %.0f MiB/s, restore %.0f + %.0f MiB at %.0f MiB/s", sizeText(size),
			m.PushClient, m.PushServer, m.PushMiBs, m.RestoreClient, m.RestoreServer, m.RestoreMiBs)
	}
	return nil
}

func (b *bench) through(ctx context.Context, size int64) (m memory, err error) {
	dir, err := b.scratch.sub("memory")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, b.scratch.drop(dir)) }()
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o700); err != nil {
		return m, err
	}
	opened, err := b.holdfast.open(ctx, dir, kindStream)
	if err != nil {
		return m, err
	}
	defer opened.close()
	r := opened.(*holdfastRepo)
	in := newGenerated(11<<32, size, min(size/2, coreSize))
	u, err := r.step(ctx, command{args: []string{"push", "-", r.volume}, stdin: in})
	if err != nil {
		return m, err
	}
	m = memory{Bytes: size, PushClient: float64(u.Client) / float64(mib), PushServer: float64(u.Server) / float64(mib), PushMiBs: rate(size, u.Wall)}
	h := sha256.New()
	u, err = r.step(ctx, command{args: []string{"cat", r.volume}, stdout: h})
	if err != nil {
		return m, err
	}
	m.RestoreClient, m.RestoreServer, m.RestoreMiBs = float64(u.Client)/float64(mib), float64(u.Server)/float64(mib), rate(size, u.Wall)
	if _, err := io.Copy(io.Discard, in); err != nil { // there is nothing left if all of it was taken
		return m, err
	}
	if want, got := in.sum.Sum(nil), h.Sum(nil); string(want) != string(got) {
		return m, fmt.Errorf("what came back has SHA-256 %x, not %x", got, want)
	}
	return m, nil
}

// eraseHalf gives each program four snapshots that share half of their bytes, and
// has it erase the two oldest.
func (b *bench) eraseHalf(ctx context.Context) (err error) {
	dir, err := b.scratch.sub("erase")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.scratch.drop(dir)) }()
	part := b.o.size / 4
	var states []string
	for i := range uint64(4) {
		path := filepath.Join(dir, fmt.Sprintf("state-%d", i))
		if err := createWith(path, func(w io.Writer) error {
			return errors.Join(b.corpus.dump(w, 13<<32, part/2), b.corpus.dump(w, 14<<32+i, part/4), noise(w, 14<<32+i, part/4))
		}); err != nil {
			return err
		}
		states = append(states, path)
	}
	for _, p := range b.all(0) {
		if err := b.eraseBy(ctx, p, dir, states); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.fail("erase by %s: %v", p.name(), err)
		}
	}
	return nil
}

func (b *bench) eraseBy(ctx context.Context, p program, dir string, states []string) error {
	own := filepath.Join(dir, p.name())
	if err := os.MkdirAll(filepath.Join(own, "home"), 0o700); err != nil {
		return err
	}
	r, err := p.open(ctx, own, kindStream)
	if err != nil {
		return err
	}
	defer r.close()
	for _, s := range states {
		if _, err := r.put(ctx, s); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	before, err := r.stored()
	if err != nil {
		return err
	}
	u, err := r.erase(ctx, len(states)/2)
	if err != nil {
		return err
	}
	after, err := r.stored()
	if err != nil {
		return err
	}
	b.results.add(point{"stream", stepErase, p.name()}, sample{usage: u, Bytes: before, Stored: after, Grown: after - before})
	b.say("%-8s %-12s %-14s %7.2f s  %7.1f MiB returned of %.1f", "stream", stepErase, p.name(), u.Wall.Seconds(), float64(before-after)/float64(mib), float64(before)/float64(mib))
	return nil
}
