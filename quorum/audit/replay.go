package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/bits"
	"strings"
)

// ReplayHeader is the first line of a kept replay.
const ReplayHeader = "holdfast replay v1"

// Replay is how far a site has followed the log: it has read every leaf up to Size, opened each body, and the root of what
// it read is Root. It is a value: nothing changes it, Begin and Commit make a new one. The zero value has followed nothing
// of no log and is refused; start with NewReplay.
type Replay struct {
	origin string
	tree   compact
}

// NewReplay starts at an empty log of an origin: ErrOrigin.
func NewReplay(origin string) (Replay, error) {
	if !validSignerName(origin) {
		return Replay{}, ErrOrigin
	}
	return Replay{origin: origin}, nil
}

// Checkpoint is where the replay stands; it doubles as the site's high-water mark.
func (r Replay) Checkpoint() Checkpoint {
	return Checkpoint{Origin: r.origin, Size: r.tree.size, Root: r.tree.root()}
}

// Begin prepares to continue to a verified checkpoint. Errors: ErrReplay (zero Replay), ErrOrigin, ErrRollback, ErrFork.
func (r Replay) Begin(to Checkpoint) (*Batch, error) {
	if r.origin == "" {
		return nil, ErrReplay
	}
	at := r.Checkpoint()
	switch {
	case at.Origin != to.Origin:
		return nil, ErrOrigin
	case to.Size < at.Size:
		return nil, fmt.Errorf("%w: %d after %d", ErrRollback, to.Size, at.Size)
	case to.Size == at.Size && to.Root != at.Root:
		return nil, fmt.Errorf("%w: %d", ErrFork, at.Size)
	case to.Size > MaxSize:
		return nil, ErrReplay
	}
	return &Batch{to: to, next: Replay{origin: r.origin, tree: r.tree.clone()}}, nil
}

// Batch is a replay under way. What its leaves say is not true before Commit succeeds.
type Batch struct {
	to     Checkpoint
	next   Replay
	broken bool
}

// Next is the index of the leaf that Add wants.
func (b *Batch) Next() int64 { return b.next.tree.size }

// Add takes the next entry: its leaf must parse, its kind be known, its body and salt be what it commits to. After an error
// the batch is of no more use. Errors: ErrReplay, ErrLeaf, ErrOpening, ErrUnknownKind.
func (b *Batch) Add(e Entry) (Leaf, error) {
	l, err := b.add(e)
	if err != nil {
		b.broken = true
		return Leaf{}, fmt.Errorf("replay at %d: %w", b.Next(), err)
	}
	return l, nil
}

func (b *Batch) add(e Entry) (Leaf, error) {
	if b.broken || e.Index != b.Next() || e.Index >= b.to.Size {
		return Leaf{}, fmt.Errorf("%w: leaf %d out of order", ErrReplay, e.Index)
	}
	l, err := e.Open()
	if err != nil {
		return Leaf{}, err
	}
	if !l.Kind.Known() {
		return Leaf{}, fmt.Errorf("%w: %s", ErrUnknownKind, l.Kind)
	}
	b.next.tree.add(LeafHash(e.Leaf))
	return l, nil
}

// Commit gives the replay that stands at the checkpoint. If leaves are missing it is ErrReplay; if they do not hash to the
// checkpoint's root, ErrInconsistent: then the log was rewritten behind what this site has read, or the source lied.
func (b *Batch) Commit() (Replay, error) {
	if b.broken || b.next.tree.size != b.to.Size {
		return Replay{}, fmt.Errorf("%w: %d of %d leaves", ErrReplay, b.Next(), b.to.Size)
	}
	if b.next.tree.root() != b.to.Root {
		b.broken = true
		return Replay{}, fmt.Errorf("%w: at %d", ErrInconsistent, b.to.Size)
	}
	b.broken = true // a batch commits once
	return b.next, nil
}

// Continue is Begin, Add for each entry, and Commit.
func (r Replay) Continue(to Checkpoint, entries []Entry) (Replay, error) {
	b, err := r.Begin(to)
	if err != nil {
		return Replay{}, err
	}
	for _, e := range entries {
		if _, err := b.Add(e); err != nil {
			return Replay{}, err
		}
	}
	return b.Commit()
}

// MarshalText writes the state: header, origin, size, root, and a line a perfect subtree from left to right.
func (r Replay) MarshalText() ([]byte, error) {
	head, err := r.Checkpoint().Render()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReplay, err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s", ReplayHeader, head)
	for _, h := range r.tree.nodes {
		fmt.Fprintf(&b, "node %s\n", base64.StdEncoding.EncodeToString(h[:]))
	}
	return b.Bytes(), nil
}

// UnmarshalText reads a kept state strictly; the root must follow from the nodes. ErrReplay.
func (r *Replay) UnmarshalText(text []byte) error {
	if len(text) > MaxReplayText {
		return ErrReplay
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 5 || lines[0] != ReplayHeader || lines[len(lines)-1] != "" {
		return ErrReplay
	}
	c, err := ParseCheckpoint([]byte(strings.Join(lines[1:4], "\n") + "\n"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplay, err)
	}
	got := Replay{origin: c.Origin, tree: compact{size: c.Size}}
	for _, line := range lines[4 : len(lines)-1] {
		v, ok := strings.CutPrefix(line, "node ")
		h, err := parseHash(v)
		if !ok || err != nil {
			return fmt.Errorf("%w: node", ErrReplay)
		}
		got.tree.nodes = append(got.tree.nodes, h)
	}
	if len(got.tree.nodes) != bits.OnesCount64(uint64(c.Size)) || got.tree.root() != c.Root {
		return fmt.Errorf("%w: nodes do not make the root", ErrReplay)
	}
	*r = got
	return nil
}
