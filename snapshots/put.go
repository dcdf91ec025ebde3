package snapshots

import (
	"context"
	"errors"
	"io"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/stream"
)

// PutRequest says where a stream goes. Path is StreamPath, or empty, for stream volumes.
type PutRequest struct {
	Tenant string
	Volume VolumeID
	Path   string
	Type   Type // TypeFile when zero; TypeDir and TypeSymlink take no content
	Meta   Meta
	// IfMatch and IfNoneMatch are checked at the commit. IfMatch with Any wants some live version, otherwise one of
	// these digests; IfNoneMatch wants none of them.
	IfMatch, IfNoneMatch *Condition
}

// Condition names versions by their ETag.
type Condition struct {
	Any   bool
	ETags [][32]byte
}

func (c *Condition) matches(v *Version) bool {
	if v == nil {
		return false
	}
	if c.Any {
		return true
	}
	for _, t := range c.ETags {
		if t == v.ETag {
			return true
		}
	}
	return false
}

// preconditions makes the check of an operation on one path, nil when there is none.
func (e *Engine) preconditions(path string, match, noneMatch *Condition) func(context.Context, *sqldb.Tx, Volume) error {
	if match == nil && noneMatch == nil {
		return nil
	}
	return func(ctx context.Context, tx *sqldb.Tx, v Volume) error {
		var live *Version
		got, err := e.c.Store.VersionAt(ctx, tx, v.ID, Live, path)
		if err == nil {
			live = &got
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		if match != nil && !match.matches(live) || noneMatch != nil && noneMatch.matches(live) {
			return ErrPrecondition
		}
		return nil
	}
}

// Put takes a stream of any length and makes it the live version of a path. It answers when the version is durable; a
// stream that ends with an error leaves nothing visible.
func (e *Engine) Put(ctx context.Context, r PutRequest, body io.Reader) (Version, error) {
	v, err := e.Volume(ctx, r.Tenant, r.Volume)
	if err != nil {
		return Version{}, err
	}
	n := Entry{Path: r.Path, Type: r.Type, Meta: r.Meta}
	if n.Type == 0 {
		n.Type = TypeFile
	}
	if v.Kind == Stream {
		if r.Path != "" && r.Path != StreamPath || n.Type != TypeFile {
			return Version{}, ErrKind
		}
		n.Path = StreamPath
	}
	if n.Type == TypeHardlink {
		return Version{}, ErrKind
	}
	if err := n.Check(); err != nil {
		return Version{}, &PathError{n.Path, err}
	}
	if !v.DeletedAt.IsZero() {
		return Version{}, ErrNotFound
	}
	s, err := e.session(ctx, r.Tenant)
	if err != nil {
		return Version{}, err
	}
	defer s.close()
	if n.Type.HasContent() {
		c, err := e.ingest(ctx, s, v, body)
		if err != nil {
			return Version{}, err
		}
		n.Recipe, n.Size, n.ETag = c.Recipe, c.Size, c.Digest
	}
	o := &op{volume: v.ID, check: e.preconditions(n.Path, r.IfMatch, r.IfNoneMatch), muts: []Mutation{{Op: OpPut, Entry: n}}}
	if err := s.commit(ctx, o); err != nil {
		return Version{}, err
	}
	return Version{Volume: v.ID, Entry: n, Born: o.seq, Died: Live}, nil
}

func (e *Engine) ingest(ctx context.Context, s *session, v Volume, body io.Reader) (stream.Content, error) {
	s.compression = v.Compression
	table, err := s.key.Table(v.Profile)
	if err != nil {
		return stream.Content{}, err
	}
	p, err := stream.NewPipeline(s, table, e.c.Workers).Ingest(ctx, body)
	if err != nil {
		return stream.Content{}, err
	}
	return p.Wait(ctx)
}

// DeleteRequest says what dies: the live version of Path, or with Prefix every one whose path begins with Path.
type DeleteRequest struct {
	Tenant               string
	Volume               VolumeID
	Path                 string
	Prefix               bool
	IfMatch, IfNoneMatch *Condition
}

// Delete marks primary data as dead. Nobody is asked, nothing is destroyed: every past moment of the undo window and
// every snapshot still has it. A path that is not there is ErrNotFound; a prefix that matches nothing is not.
func (e *Engine) Delete(ctx context.Context, r DeleteRequest) error {
	if r.Prefix {
		if err := CheckPrefix(r.Path); err != nil {
			return &PathError{r.Path, err}
		}
		return e.change(ctx, r.Tenant, r.Volume, nil, Mutation{Op: OpDeletePrefix, Path: r.Path})
	}
	if err := CheckPath(r.Path); err != nil {
		return &PathError{r.Path, err}
	}
	conditions := e.preconditions(r.Path, r.IfMatch, r.IfNoneMatch)
	return e.change(ctx, r.Tenant, r.Volume, func(ctx context.Context, tx *sqldb.Tx, v Volume) error {
		if _, err := e.c.Store.VersionAt(ctx, tx, v.ID, Live, r.Path); err != nil {
			return err
		}
		if conditions != nil {
			return conditions(ctx, tx, v)
		}
		return nil
	}, Mutation{Op: OpDelete, Path: r.Path})
}
