package sqldb

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"strings"
)

// only marks what a migration does on SQLite alone: /*sqlite: … */. It is for what the portable dialect has no word for
// and changes nothing of what a table means, such as how its rows lie on the disk.
var only = regexp.MustCompile(`(?s)/\*sqlite:(.*?)\*/`)

// dialect is migrations as one engine reads them.
type dialect struct {
	fs.FS
	engine Engine
}

// Open implements fs.FS.
func (d dialect) Open(name string) (fs.File, error) {
	f, err := d.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	info, err := f.Stat()
	var text []byte
	if err == nil {
		text, err = io.ReadAll(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	with := ""
	if d.engine == SQLite {
		with = "$1"
	}
	return &migration{bytes.NewReader(only.ReplaceAll(text, []byte(with))), info}, nil
}

// migration is the text of one file.
type migration struct {
	*bytes.Reader
	info fs.FileInfo
}

func (m *migration) Stat() (fs.FileInfo, error) { return m.info, nil }
func (*migration) Close() error                 { return nil }
