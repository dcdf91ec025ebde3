package wire

import "time"

// Act is one act of deletion: what was deleted from a volume at moments that follow
// each other closely, and is not there now. A directory and what lay below it are
// one. Who it was is not known: commits of primary data carry no names.
type Act struct {
	// Until is when the last of it was deleted, From when the first was. From is zero
	// where the act was not read to its end; then the counts are lower bounds.
	Until time.Time `json:"until" doc:"when the last of it was deleted"`
	From  time.Time `json:"from,omitzero" doc:"when the first was; absent where the act was not read to its end: then the counts are lower bounds"`
	// Before is a moment before all of it; zero where From is.
	Before    time.Time  `json:"before,omitzero" doc:"a moment before all of it; absent where from is"`
	Files     int64      `json:"files"`
	Folders   int64      `json:"folders"`
	Bytes     int64      `json:"bytes"`
	Parts     []ActPart  `json:"parts,omitempty" doc:"in the order of their paths, a bounded number"`
	MoreParts int        `json:"more_parts,omitempty" doc:"how many more parts there are"`
	Named     []Deletion `json:"named,omitempty" doc:"some of its paths"`
}

// Whole says whether the act was read to its end.
func (a Act) Whole() bool { return !a.From.IsZero() }

// ActPart is a directory, with all below it, or a file that an act deleted.
type ActPart struct {
	Entry   Entry `json:"entry" doc:"of type prefix for a directory, with its slash"`
	Files   int64 `json:"files"`
	Folders int64 `json:"folders"`
	Bytes   int64 `json:"bytes"`
}

// Acts are acts of deletion, newest first. With a Next there is more to look at; such
// a page may be empty.
type Acts struct {
	Acts []Act  `json:"acts"`
	Next string `json:"next,omitempty"`
}

// BringBack asks for what an act of deletion deleted. It overwrites nothing.
type BringBack struct {
	Until  time.Time `json:"until" doc:"the act's until"`
	From   time.Time `json:"from,omitzero" doc:"the act's from, where it has one"`
	Prefix string    `json:"prefix,omitempty" maxLength:"4096" doc:"only what lies below this"`
	Cursor string    `json:"cursor,omitempty" maxLength:"8192" doc:"the next of the answer before: one call does a bounded part"`
}

// Brought says what of an act was brought back by one call.
type Brought struct {
	Files   int64  `json:"files"`
	Folders int64  `json:"folders"`
	Bytes   int64  `json:"bytes"`
	Differ  int64  `json:"differ" doc:"paths that somebody changed meanwhile, which stay as they are"`
	Next    string `json:"next,omitempty" doc:"not all is done: call again with this as cursor"`
}
