package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
)

// primitive is one of the steps that every byte of an ingest or a restore goes
// through, measured alone on all cores.
type primitive struct {
	Name string  `json:"name"`
	MiBs float64 `json:"mib_s"`
	// Ratio is plain bytes over bytes that come out.
	Ratio float64 `json:"ratio,omitempty"`
}

// sum is the throughput of primitives in a row, each with its share of the bytes:
// on the same cores their times add up.
func sum(rates ...float64) float64 {
	var seconds float64
	for _, r := range rates {
		if r <= 0 {
			return 0
		}
		seconds += 1 / r
	}
	return 1 / seconds
}

// most is how much of a file the primitives are tried on, in so many places of it, and least how long.
const (
	mostTried   = 256 * mib
	placesTried = 16
	leastTried  = 400 * time.Millisecond
)

// spread reads as much of a file as is tried, in places that are as far from each other as they can be: the begin of a
// file is not what all of it is.
func spread(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() <= mostTried {
		return io.ReadAll(f)
	}
	whole := make([]byte, mostTried)
	const part = mostTried / placesTried
	for i := range int64(placesTried) {
		if _, err := f.ReadAt(whole[i*part:(i+1)*part], i*(info.Size()-part)/(placesTried-1)); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// pieces cuts a sample of a file as ingest does.
func pieces(file string, t *chunk.Table) (all [][]byte, whole []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	whole, err = spread(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, nil, err
	}
	c := chunk.NewChunker(t, bytes.NewReader(whole))
	defer c.Close()
	for at := int64(0); ; {
		p, err := c.Next()
		if err == io.EOF {
			return all, whole, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if p.Hole == 0 {
			all = append(all, whole[at:at+p.Len()])
		}
		at += p.Len()
	}
}

// spin has every core do work on its share of items, again and again, and answers
// the bytes a second that all would do together if they had the machine to
// themselves: bytes by processor time, times cores. So what else runs on the
// machine does not make a ceiling lower than it is.
func spin(items [][]byte, work func(worker, i int) error) (float64, error) {
	workers := runtime.NumCPU()
	start, before := time.Now(), ownCPU()
	var mu sync.Mutex
	var done int64
	var failed error
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var n int64
			var err error
			for i := w; err == nil; i += workers {
				if i >= len(items) && time.Since(start) >= leastTried {
					break
				}
				item := i % len(items)
				if err = work(w, item); err == nil {
					n += int64(len(items[item]))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			done, failed = done+n, errors.Join(failed, err)
		})
	}
	wg.Wait()
	return rate(done, (ownCPU()-before)/time.Duration(workers)), failed
}

// primitives measures them on a sample of a file.
func primitives(file string) (out []primitive, err error) {
	k, err := key.Generate("bench")
	if err != nil {
		return nil, err
	}
	table, err := k.Table(chunk.ProfileFiles)
	if err != nil {
		return nil, err
	}
	items, whole, err := pieces(file, table)
	if err != nil || len(items) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%s has nothing to cut", file))
	}
	workers := runtime.NumCPU()
	room := make([][]byte, workers)
	for i := range room {
		room[i] = make([]byte, 0, 2*chunk.MaxPiece)
	}
	add := func(name string, ratio float64, items [][]byte, work func(w, i int) error) {
		if err != nil {
			return
		}
		var mibs float64
		mibs, err = spin(items, work)
		out = append(out, primitive{name, mibs, ratio})
	}
	halves := make([][]byte, 0, workers)
	for i := range workers {
		halves = append(halves, whole[len(whole)*i/workers:len(whole)*(i+1)/workers])
	}
	add("chunker", 0, halves, func(_, i int) error {
		c := chunk.NewChunker(table, bytes.NewReader(halves[i]))
		defer c.Close()
		for {
			if _, err := c.Next(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
	identifier := k.Identifier()
	ids := make([]chunk.ID, len(items))
	add("hmac-sha-256", 0, items, func(_, i int) error { ids[i] = identifier.ID(chunk.KindData, items[i]); return nil })
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault} {
		e, zerr := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
		if zerr != nil {
			return nil, zerr
		}
		encode := func(w, i int) int { return len(e.EncodeAll(items[i], room[w][:0])) }
		add("zstd "+level.String(), ratio(items, encode), items, func(w, i int) error { encode(w, i); return nil })
	}
	encode := func(w, i int) int { return len(s2.Encode(room[w][:cap(room[w])], items[i])) }
	add("s2", ratio(items, encode), items, func(w, i int) error { encode(w, i); return nil })
	var secret [32]byte
	rand.Read(secret[:]) // never fails (crypto/rand)
	block, aerr := aes.NewCipher(secret[:])
	if aerr != nil {
		return nil, aerr
	}
	gcm, aerr := cipher.NewGCM(block)
	if aerr != nil {
		return nil, aerr
	}
	nonce := make([]byte, gcm.NonceSize()) // nothing of this is kept
	add("aes-256-gcm", 0, items, func(w, i int) error { gcm.Seal(room[w][:0], nonce, items[i], nil); return nil })
	frames := make([][]byte, len(items))
	add("frame seal", 0, items, func(w, i int) (err error) {
		f, err := frame.Seal(room[w][:0], k, ids[i], chunk.KindData, items[i])
		if frames[i] == nil {
			frames[i] = bytes.Clone(f)
		}
		return err
	})
	add("frame open", ratio(items, func(_, i int) int { return len(frames[i]) }), items, func(w, i int) error {
		_, err := frame.Open(room[w][:0], k, ids[i], chunk.KindData, frames[i], chunk.MaxPiece)
		return err
	})
	return out, err
}

// ratio is plain bytes over what encode makes of them, of every fourth item.
func ratio(items [][]byte, encode func(w, i int) int) float64 {
	var plain, coded int
	for i := 0; i < len(items); i += 4 {
		plain, coded = plain+len(items[i]), coded+encode(0, i)
	}
	return float64(plain) / float64(max(coded, 1))
}

// sums makes ceilings of primitives: of text, and of noise.
func (b *bench) sums(text, noise []primitive) {
	find := func(all []primitive, name string) primitive {
		for _, p := range all {
			if p.Name == name {
				return p
			}
		}
		return primitive{}
	}
	at := func(all []primitive, name string) float64 { return find(all, name).MiBs }
	// Of a compressible byte only what is left of it is encrypted.
	sealed := func(compressor string) float64 {
		return at(text, "aes-256-gcm") * find(text, compressor).Ratio
	}
	// The client names every chunk, and the service does not believe it: new bytes are hashed twice on these cores.
	twice := func(all []primitive) float64 { return at(all, "hmac-sha-256") / 2 }
	if text != nil {
		b.ceilings.add(ceilKnown, sum(at(text, "chunker"), at(text, "hmac-sha-256")), "chunker, HMAC")
		b.ceilings.add(ceilNew, sum(at(text, "chunker"), twice(text), at(text, "zstd fastest"), sealed("zstd fastest")), "chunker, HMAC by client and service, zstd fastest, AES-GCM of what is left")
		b.ceilings.add(ceilFast, sum(at(text, "chunker"), twice(text), at(text, "s2"), sealed("s2")), "the same with s2")
		b.ceilings.add(ceilRestore, at(text, "frame open"), "AES-GCM, zstd, and the id computed again")
	}
	if noise != nil {
		b.ceilings.add(ceilNoise, sum(at(noise, "chunker"), twice(noise), at(noise, "frame seal")), "chunker, HMAC by both, and a frame that gives compression up")
	}
}
