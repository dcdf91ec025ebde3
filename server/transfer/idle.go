package transfer

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// A transfer may take as long as it likes, as long as it moves: every read and
// write has its own deadline on the connection. When there is none to set (HTTP
// over something that is no connection) there is nothing that could stand still.

type idleReader struct {
	body io.Reader
	ctl  *http.ResponseController
	idle time.Duration
	now  func() time.Time
}

func (r *idleReader) Read(p []byte) (int, error) {
	if err := deadline(r.ctl.SetReadDeadline(r.now().Add(r.idle))); err != nil {
		return 0, err
	}
	n, err := r.body.Read(p)
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		// What follows is the commit. A deadline left behind would end it. (One that is left by a body that failed ends
		// nothing but what net/http still wants to read of it.)
		if err = deadline(r.ctl.SetReadDeadline(time.Time{})); err == nil {
			err = io.EOF // readers compare it
		}
	}
	return n, err
}

type idleWriter struct {
	out  io.Writer
	ctl  *http.ResponseController
	idle time.Duration
	now  func() time.Time
}

func (w *idleWriter) Write(p []byte) (int, error) {
	if err := deadline(w.ctl.SetWriteDeadline(w.now().Add(w.idle))); err != nil {
		return 0, err
	}
	return w.out.Write(p)
}

// done gives the connection back without a deadline, for its next request.
func (w *idleWriter) done() error { return deadline(w.ctl.SetWriteDeadline(time.Time{})) }

func deadline(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
