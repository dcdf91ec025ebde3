package snapshots

import (
	"context"
	"sync"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
)

// lookups gathers the questions "is it known?" of many goroutines into few transactions. A question waits only while
// enough others compute to keep the processors busy: waiting then costs nothing, and the answer to many costs little
// more than that to one. What computes ends without anybody's help, so that nothing waits for ever. A question about a
// small piece, of which many come quickly one after the other, waits a moment for them.
//
// The transaction begins after every question that it answers was asked, and so after the lease of each was taken.
type lookups struct {
	w    *writer
	most int // computing goroutines that keep the processors busy

	mu        sync.Mutex
	computing int
	waiting   []*lookup
	large     int  // of those that wait
	lingering bool // a timer will see to the small ones
}

type lookup struct {
	id   chunk.ID
	f    Frame
	ok   bool
	err  error
	done chan struct{}
}

// begin says that the caller computes from here on: that it hashes or compresses, and waits for nobody.
func (l *lookups) begin() {
	l.mu.Lock()
	l.computing++
	l.mu.Unlock()
}

// end is the opposite of begin.
func (l *lookups) end() {
	l.mu.Lock()
	l.computing--
	batch := l.due()
	l.mu.Unlock()
	if len(batch) > 0 {
		go l.answer(batch)
	}
}

// due takes the questions that must not wait longer. The caller holds l.mu.
func (l *lookups) due() []*lookup {
	if n := len(l.waiting); n == 0 || n < lookupBatch && (l.computing >= l.most || l.large == 0) {
		return nil
	}
	return l.take()
}

// take takes all questions. The caller holds l.mu.
func (l *lookups) take() []*lookup {
	batch := l.waiting
	l.waiting, l.large = nil, 0
	return batch
}

// lingered takes the small questions whose moment is over.
func (l *lookups) lingered() {
	l.mu.Lock()
	l.lingering = false
	batch := l.take()
	l.mu.Unlock()
	if len(batch) > 0 {
		l.answer(batch)
	}
}

// ask looks the id of a content of so many bytes up in the index. The caller computes before and after, and not meanwhile.
func (l *lookups) ask(id chunk.ID, size int) (Frame, bool, error) {
	q := &lookup{id: id, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, q)
	l.computing--
	if size >= smallPiece {
		l.large++
	} else if !l.lingering {
		l.lingering = true
		time.AfterFunc(lookupLinger, l.lingered)
	}
	batch := l.due()
	l.mu.Unlock()
	if len(batch) > 0 {
		l.answer(batch)
	}
	<-q.done
	return q.f, q.ok, q.err
}

// answer asks the index for a batch. It goes on when one of those who asked was cancelled: others wait too.
func (l *lookups) answer(batch []*lookup) {
	ids := make([]chunk.ID, 0, len(batch))
	for _, q := range batch {
		ids = append(ids, q.id)
	}
	var found []Location
	ctx := context.WithoutCancel(l.w.e.bg)
	err := l.w.e.bulk(ctx, func(tx *sqldb.Tx) (err error) {
		found, err = l.w.e.c.Store.FindChunks(ctx, tx, l.w.tenant, ids)
		return err
	})
	at := make(map[chunk.ID]int, len(found))
	for i := range found {
		at[found[i].Child.ID] = i
	}
	l.mu.Lock()
	l.computing += len(batch)
	l.mu.Unlock()
	for _, q := range batch {
		if i, ok := at[q.id]; ok && err == nil {
			q.f.Location, q.ok = found[i], true
		}
		q.err = err
		close(q.done)
	}
}
