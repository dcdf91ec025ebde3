package record

import "encoding/binary"

// fields takes a record's body apart. After the first mistake it answers zeroes.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) want(ok bool) {
	if !ok {
		f.bad = true
	}
}

func (f *fields) num(most uint64) uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 || v > most || n != uvarintLen(v) {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) zigzag() int64 {
	v := f.num(1<<64 - 1)
	return int64(v>>1) ^ -int64(v&1)
}

func (f *fields) byte() byte {
	if len(f.b) == 0 {
		f.bad = true
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) text(most uint64) string {
	n := f.num(most)
	if uint64(len(f.b)) < n {
		f.bad, f.b = true, nil
		return ""
	}
	v := string(f.b[:n])
	f.b = f.b[n:]
	return v
}

func (f *fields) fixed(dst []byte) {
	if len(f.b) < len(dst) {
		f.bad, f.b = true, nil
		return
	}
	copy(dst, f.b)
	f.b = f.b[len(dst):]
}

func (f *fields) entry(e *Entry) {
	e.Number = f.num(MaxSize)
	e.Path = f.text(MaxPath)
	e.Type = f.byte()
	e.Mode = uint32(f.num(MaxMode))
	e.UID = uint32(f.num(1<<32 - 1))
	e.GID = uint32(f.num(1<<32 - 1))
	e.User = f.text(MaxName)
	e.Group = f.text(MaxName)
	e.MTime = f.zigzag()
	e.Link = f.text(MaxLink)
	e.Major = uint32(f.num(1<<32 - 1))
	e.Minor = uint32(f.num(1<<32 - 1))
	n := f.num(MaxXattrs)
	total := 0
	for i := uint64(0); i < n && !f.bad; i++ {
		x := Xattr{Name: f.text(MaxXattrName), Value: f.text(MaxXattrBytes)}
		total += len(x.Name) + len(x.Value)
		f.want(x.Name != "" && total <= MaxXattrBytes && (i == 0 || e.Xattrs[i-1].Name < x.Name))
		e.Xattrs = append(e.Xattrs, x)
	}
	e.ContentType = f.text(MaxName)
	e.Size = int64(f.num(MaxSize))
	switch f.byte() {
	case 0:
	case 1:
		e.HasDigest = true
		f.fixed(e.Digest[:])
	default:
		f.bad = true
	}
	f.want(e.Path != "" && e.Type >= File && e.Type <= BlockDevice)
}
