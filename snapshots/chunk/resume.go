package chunk

import (
	"errors"
	"io"
)

// ErrMore is what a source answers that ends where its stream does not: the rest comes another time. Next then answers the
// pieces that no later byte could make different, and ErrMore in place of those that it could.
var ErrMore = errors.New("chunk: the stream goes on elsewhere")

// ResetAt starts over in the middle of a stream: r begins at the given offset in bytes, at which a piece ended. The pieces
// that follow are those that a chunker over the whole stream answers from there on; where the piece before was a hole,
// a hole that follows belongs to it.
func (c *Chunker) ResetAt(r io.Reader, offset int64) {
	c.Reset(r)
	c.base = offset
}

// decided is how much of a hole that reached the end of a part is answered. So much is left for the next part that what
// follows there is known for a hole again.
func decided(total int64) int64 { return max(0, (total-MinHole)/PageSize*PageSize) }
