// Package key owns the keys of tenants: their generation, their rotation, their wraps for the site and for the charter's
// recovery recipients, and the commitment by which a stranger sees that a wrap holds the key that it should.
//
// It must never write a key to a log, an error or a text other than inside an age file, and it destroys none: a key set
// that a copy may need stays in the Ring for ever.
package key
