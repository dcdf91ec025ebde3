package app

import "net/http"

// ForeignHost tells which database servers count as outside clocks.
func ForeignHost(dsn string) (string, bool) { return foreignHost(dsn) }

// Canonical spells an origin as browsers do.
func Canonical(origin string) string { return canonical(origin) }

// FromHere tells which requests may read the metrics.
func FromHere(r *http.Request) bool { return fromHere(r) }

// Deadlines bounds the calls outside the data path.
var Deadlines = deadlines
