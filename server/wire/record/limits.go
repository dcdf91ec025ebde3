package record

// Bounds of a stream, in bytes unless said otherwise. What exceeds one is ErrFormat.
const (
	// MaxPath bounds a path, MaxLink the target of a link, MaxName the name of a
	// user or group and a content type.
	MaxPath = 4096
	MaxLink = 4096
	MaxName = 256
	// MaxXattrs bounds how many extended attributes an entry has, MaxXattrName the
	// name of one, MaxXattrBytes all names and values together.
	MaxXattrs     = 256
	MaxXattrName  = 255
	MaxXattrBytes = 128 << 10
	// MaxPlain bounds the plain bytes of one data record.
	MaxPlain = 2 << 20
	// MaxSize bounds the length of a hole and the size of an entry.
	MaxSize = 1 << 60
	// MaxText bounds the text of an error.
	MaxText = 1024
	// MaxMode is the largest mode: permissions, setuid, setgid and sticky.
	MaxMode = 0o7777

	// maxEntry bounds the body of an entry: all of the above with their lengths.
	maxEntry = MaxPath + MaxLink + 3*MaxName + MaxXattrBytes + 8*MaxXattrs + 160
	// dataHead is the most that a data record has before its bytes: id, encoding,
	// plain length.
	dataHead = 32 + 1 + 4
	// readBuffer is what a decoder reads ahead.
	readBuffer = 64 << 10
)
