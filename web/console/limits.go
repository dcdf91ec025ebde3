package console

const (
	// underPage is how many requests of each state that can still be stopped the queue
	// shows; a link leads to the others.
	underPage = 20
	// logPage is how many entries a page of the log shows: the log has all of them.
	logPage = 50
)
