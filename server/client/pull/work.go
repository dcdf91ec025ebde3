package pull

import (
	"math/bits"
	"sync"

	"holdfast/server/wire/record"
)

// job is a part of a file: a chunk that came (body), one that should be there already (no body), or its end.
type job struct {
	f        *file
	last     bool
	off      int64
	id       [32]byte
	encoding byte
	n        int
	body     *buffer
	out      *piece // of Copy: where the content goes instead
}

// buffer is room for the body of a record, or for a chunk.
type buffer struct{ b []byte }

// pools are buffers by their size, from 4 KiB on, each class twice the one before, so that a small body does not keep a
// large buffer.
var pools [10]sync.Pool

// take gives a buffer for n bytes, at most record.MaxPlain.
func take(n int) *buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), 12) - 12
	if b, ok := pools[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, 4096<<class)}
}

// give takes a buffer back.
func give(b *buffer) {
	if class := bits.Len(uint(cap(b.b))) - 13; class >= 0 && class < len(pools) {
		pools[class].Put(b)
	}
}

// batch is jobs that one worker does one after the other: to wake somebody for each small file costs more than the file.
type batch struct {
	jobs []job
	n    int // plain bytes
}

// batches are empty ones.
var batches = sync.Pool{New: func() any { return &batch{jobs: make([]job, 0, batchJobs)} }}

// batcher gathers jobs for a crew. One goroutine uses it, and flushes it before it waits for any of its jobs.
type batcher struct {
	c   *crew
	now *batch
}

// work queues a job, now or together with the next ones.
func (b *batcher) work(j job) {
	if b.now == nil {
		b.now = batches.Get().(*batch)
	}
	b.now.jobs, b.now.n = append(b.now.jobs, j), b.now.n+j.n
	if len(b.now.jobs) == batchJobs || b.now.n >= batchBytes {
		b.flush()
	}
}

// flush queues what was gathered.
func (b *batcher) flush() {
	if b.now != nil {
		b.c.queue(b.now)
		b.now = nil
	}
}

// crew is the goroutines that decompress, verify and write, and the bytes that wait for them.
type crew struct {
	jobs chan *batch
	wg   sync.WaitGroup

	mu   sync.Mutex
	cond *sync.Cond
	used int
}

func newCrew(workers int) *crew {
	c := &crew{jobs: make(chan *batch, queued)}
	c.cond = sync.NewCond(&c.mu)
	for range workers {
		c.wg.Go(c.run)
	}
	return c
}

// work queues a job that waits for no other.
func (c *crew) work(j job) {
	b := batches.Get().(*batch)
	b.jobs, b.n = append(b.jobs, j), j.n
	c.queue(b)
}

// queue waits until there is room for the jobs' plain bytes and queues them.
func (c *crew) queue(b *batch) {
	c.mu.Lock()
	for c.used > 0 && c.used+b.n > window {
		c.cond.Wait()
	}
	c.used += b.n
	c.mu.Unlock()
	c.jobs <- b
}

func (c *crew) run() {
	room := make([]byte, record.MaxPlain+slack)
	for b := range c.jobs {
		for i := range b.jobs {
			j := &b.jobs[i]
			c.do(j, room)
			if j.body != nil {
				give(j.body)
			}
		}
		n := b.n
		clear(b.jobs)
		b.jobs, b.n = b.jobs[:0], 0
		batches.Put(b)
		c.mu.Lock()
		c.used -= n
		c.mu.Unlock()
		c.cond.Broadcast()
	}
}

func (c *crew) do(j *job, room []byte) {
	if j.out != nil {
		j.out.fill(j)
		return
	}
	f := j.f
	if !j.last {
		var err error
		if j.body != nil {
			err = f.write(j, room)
		} else {
			err = f.again(j, room)
		}
		if err != nil {
			f.fail(err)
		}
	}
	if f.pending.Add(-1) == 0 {
		f.finish()
	}
}

// close waits for what is at work. No job may come after it.
func (c *crew) close() {
	close(c.jobs)
	c.wg.Wait()
}
