package snapshots

// turns are the processors that may compute for the data path at the same time: hash, compress, encrypt. Whatever number of
// uploads and restores is under way, no more goroutines than that wait for a processor, so that one that answers a person
// never stands behind dozens that compress for milliseconds each. Small pieces take none: they are soon over.
//
// Whoever has a turn must not wait for anything but a processor.
type turns chan struct{}

// take begins to compute over so many bytes.
func (t turns) take(bytes int) {
	if bytes >= smallPiece {
		t <- struct{}{}
	}
}

// give ends what take began, with the same number.
func (t turns) give(bytes int) {
	if bytes >= smallPiece {
		<-t
	}
}
