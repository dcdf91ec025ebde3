package api

import "time"

const (
	// actsPage is how many acts of deletion an answer has, actEntries how many deleted
	// paths it counts, actsFor how long it looks.
	actsPage   = 20
	actEntries = 50_000
	actsFor    = 1500 * time.Millisecond
	// maxBody bounds every JSON body, in bytes; a charter is the largest of them.
	maxBody = 1 << 20
	// maxAgent bounds what is kept of a client's name for itself, in bytes.
	maxAgent = 200
)
