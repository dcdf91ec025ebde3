package api

const (
	// maxBody bounds every JSON body, in bytes; a charter is the largest of them.
	maxBody = 1 << 20
	// maxAgent bounds what is kept of a client's name for itself, in bytes.
	maxAgent = 200
)
