package wire

import "time"

// Act is one act of deletion: what was deleted from a volume at moments that follow
// each other closely, and is not there now. A directory and what lay below it are
// one. Who it was is not known: commits of primary data carry no names.
type Act struct {
	// Until is when the last of it was deleted, From when the first was. From is zero
	// where the act was not read to its end; then the counts are lower bounds.
	Until, From time.Time
	// Before is a moment before all of it; zero where From is.
	Before                time.Time
	Files, Folders, Bytes int64
	Parts                 []ActPart // in the order of their paths, a bounded number
	MoreParts             int
	Named                 []Deletion // some of its paths
}

// Whole says whether the act was read to its end.
func (a Act) Whole() bool { return !a.From.IsZero() }

// ActPart is a directory, with all below it, or a file that an act deleted.
type ActPart struct {
	Entry                 Entry // of type prefix for a directory, with its slash
	Files, Folders, Bytes int64
}

// Acts are acts of deletion, newest first. With a Next there is more to look at.
type Acts struct {
	Acts []Act
	Next string
}

// Brought says what of an act was brought back by one call.
type Brought struct {
	Files, Folders, Bytes int64
	Differ                int64 // paths that somebody changed meanwhile
	Next                  string
}
