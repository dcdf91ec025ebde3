package transfer_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// Whoever stole a token holds bodies back until he is found out, and sends their ends when the token is revoked: nothing of
// them is written, and nothing deleted.
func TestT02_WhatARevokedTokenHeldBackIsNotWritten(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		r.put("keep", "what matters")
		p, a := (&pushRig{rig: r}).session(r.token.Credentials.Bearer, r.files.ID)
		if a.status != http.StatusCreated {
			t.Fatal(a.status, a.body)
		}
		junk := noise(12<<20, 1) // more than a connection keeps: who has sent it is being read
		segment, records := record.AppendMagic(nil), uint64(0)
		for ; len(segment) < 12<<20; records++ {
			segment = record.AppendDelete(segment, strings.Repeat(fmt.Sprintf("%0200d/", records), 20)+"x")
		}
		segment = record.AppendStop(record.AppendDelete(segment, "keep"), records+1)
		var packed bytes.Buffer
		w := tar.NewWriter(&packed)
		if err := w.WriteHeader(&tar.Header{Name: "member", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(junk))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(junk); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		volume := "/v1/data/" + r.files.ID
		var ends []func() answer
		for _, x := range []struct {
			method, target string
			body           []byte
		}{
			{http.MethodPut, r.at("late"), junk},
			{http.MethodPut, r.at("keep"), junk},
			{http.MethodPut, volume + "/tar", packed.Bytes()},
			{http.MethodPost, volume + "/push/" + p.Session + "/segments/0", segment},
		} {
			in, out := io.Pipe()
			answered := make(chan answer, 1)
			go func() {
				answered <- r.as(r.token.Credentials.Bearer, x.method, x.target, in)
				in.Close()
			}()
			back := len(x.body) - 2000
			if _, err := out.Write(x.body[:back]); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, func() answer {
				_, _ = out.Write(x.body[back:]) // it may be closed by now
				out.Close()
				return <-answered
			})
		}
		if err := r.RevokeToken(t.Context(), r.owner.Caller, r.token.ID()); err != nil {
			t.Fatal(err)
		}
		r.Clock.Advance(11 * time.Second)
		for i, end := range ends {
			if a := end(); a.err == nil && a.status != http.StatusUnauthorized {
				t.Errorf("%d: %d %s", i, a.status, a.body)
			}
		}
		r.token = r.Token(t, r.owner, nil, everything...)
		r.holds("keep", "what matters")
		for _, path := range []string{"late", "member"} {
			r.want(r.do(http.MethodGet, r.at(path), ""), http.StatusNotFound, wire.TypeNotFound)
		}
	})
}
