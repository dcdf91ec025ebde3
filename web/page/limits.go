package page

const (
	// maxForm bounds a form, a passkey's answer included (bytes).
	maxForm = 128 << 10
	// maxNext bounds the path to return to after signing in (bytes).
	maxNext = 512
	// maxCredential bounds a passkey's answer inside a form (bytes).
	maxCredential = 64 << 10
	// bodyLines is how many targets of a statement a page shows.
	bodyLines = 100
)
