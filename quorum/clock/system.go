package clock

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// System reads the clocks of this machine and of the given sources. Make it with NewSystem, once for a process.
type System struct {
	sources []Source
	process string
	bootID  string
	boot    func() (time.Duration, error)
}

var _ Clock = (*System)(nil)

// NewSystem returns the machine's clock with outside sources (at most MaxOutside are kept). It fails with
// ErrUnavailable where CLOCK_BOOTTIME or the boot id cannot be read.
func NewSystem(sources ...Source) (*System, error) {
	id, err := bootID()
	if err != nil {
		return nil, err
	}
	if _, err := bootTime(); err != nil {
		return nil, err
	}
	sources = sources[:min(len(sources), MaxOutside)]
	return &System{sources: sources, process: rand.Text(), bootID: id, boot: bootTime}, nil
}

// Now is the wall clock in UTC.
func (s *System) Now() time.Time { return time.Now().Round(0).UTC() }

// Read reads the machine's clocks and asks all sources at once, each for at most SourceTimeout.
func (s *System) Read(ctx context.Context) (Reading, error) {
	answers := make([]*answer, len(s.sources))
	ctx, cancel := context.WithTimeout(ctx, SourceTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, src := range s.sources {
		wg.Go(func() { answers[i] = s.ask(ctx, src) })
	}
	wg.Wait()
	boot, err := s.boot()
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Wall: s.Now(), Boot: boot, BootID: s.bootID, Process: s.process}
	for i, a := range answers {
		if a != nil {
			r.Outside = append(r.Outside, Outside{Name: s.sources[i].Name(), Wall: a.wall.Add(boot - a.boot).Round(0).UTC()})
		}
	}
	return r, nil
}

type answer struct {
	wall time.Time
	boot time.Duration
}

// ask takes the answer to be true in the middle of its journey, and drops one that cannot be placed within Tolerance.
func (s *System) ask(ctx context.Context, src Source) *answer {
	before, err := s.boot()
	if err != nil {
		return nil
	}
	w, err := src.Now(ctx)
	if err != nil {
		return nil
	}
	after, err := s.boot()
	if err != nil || after-before > Tolerance {
		return nil
	}
	return &answer{wall: w, boot: before + (after-before)/2}
}
