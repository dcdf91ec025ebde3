package page

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

func (s *Site) requestPages() {
	s.Get("/requests", func(v *Visit) error {
		from, err := v.From()
		if err != nil {
			return err
		}
		list, all, err := v.Control.RequestPage(v.Context(), v.Who, v.Query("state"), from, RequestsPage)
		if err != nil {
			return err
		}
		first, next := Around("/requests", from, RequestsPage, all, "state", v.Query("state"))
		return v.Show(view.Frame{Title: "Requests", Here: "/requests"}, func(f view.Frame) templ.Component {
			return view.Requests(f, list, v.Query("state"), first, next)
		})
	})
	s.Get("/requests/:request", showRequest)
	s.Get("/requests/:request/body", showBody)
	s.Get("/requests/:request/statement", func(v *Visit) error {
		text, err := v.Control.Statement(v.Context(), v.Who, v.Param("request"))
		if err != nil {
			return err
		}
		name := ""
		if v.Query("download") != "" {
			name = pathSafe(v.Param("request")) + ".txt"
		}
		return v.text(name, text)
	})
	s.Get("/requests/:request/warrant", func(v *Visit) error {
		text, err := v.Control.Warrant(v.Context(), v.Who, v.Param("request"))
		if err != nil {
			return err
		}
		return v.text(pathSafe(v.Param("request"))+".warrant", text)
	})
	s.Post("/requests/:request/confirm", func(v *Visit) error {
		if _, err := v.Control.ConfirmRequest(v.Context(), v.Who, v.Param("request")); err != nil {
			return err
		}
		return v.toRequest("confirmed")
	}, showRequest)
	s.Post("/requests/:request/cancel", func(v *Visit) error {
		if _, err := v.Control.CancelRequest(v.Context(), v.Who, v.Param("request"), v.Field("reason")); err != nil {
			return err
		}
		return v.toRequest("cancelled")
	}, showRequest)
	s.Post("/requests/:request/undo", func(v *Visit) error {
		if _, err := v.Control.UndoRequest(v.Context(), v.Who, v.Param("request"), v.Field("reason")); err != nil {
			return err
		}
		return v.toRequest("restored")
	}, showRequest)
}

// text answers with a text byte for byte, as a file to keep if it has a name.
func (v *Visit) text(name, body string) error {
	if name != "" {
		v.c.Response().Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	}
	return v.c.Blob(http.StatusOK, "text/plain; charset=utf-8", []byte(body))
}

func (v *Visit) toRequest(done string) error {
	return v.Go("/requests/" + pathSafe(v.Param("request")) + "?done=" + done)
}

// pathSafe keeps what can be part of an id, and so of a path that we send on to.
func pathSafe(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, id)
}

func showRequest(v *Visit) error {
	r, err := v.Control.Request(v.Context(), v.Who, v.Param("request"))
	if err != nil {
		return err
	}
	var mine *wire.Vote
	for i := range r.Votes {
		if r.Votes[i].Approver.ID == v.Who.ID() {
			mine = &r.Votes[i]
		}
	}
	staff := v.Who.Principal.Staff
	acts := staff == authz.StaffApprover || v.Who.Principal.Role == authz.RoleOwner || v.Who.Principal.Role == authz.RoleOperator
	stops := acts || v.Who.Principal.Role != 0 // any member, whatever their role (I5)
	can := view.Can{
		Vote:    staff == authz.StaffApprover && v.site.votes && mine == nil && (r.State == "open" || r.State == "cooling"),
		Confirm: r.State == "draft" && acts,
		Stop:    r.State != "draft" && stops && view.Stoppable(r.State),
		Undo:    r.State == "tombstoned" && stops,
	}
	p := view.RequestPage{Request: r, Can: can, Mine: mine, Me: v.Who.ID()}
	if staff != 0 && r.State != "draft" {
		b, err := v.Control.Brief(v.Context(), v.Who, r.ID)
		if err != nil {
			return err
		}
		p.Brief = &b
		for _, e := range b.Electors {
			if e.Approver.ID == p.Me && p.Can.Vote && e.Why != "" {
				p.Can.Vote, p.Can.DenyOnly, p.Can.Missing = e.Standing != "may-not", e.Standing == "may-deny", e.Missing != ""
				p.Can.Why = strings.ToUpper(e.Why[:1]) + e.Why[1:]
			}
		}
	}
	if r.Action == "change-charter" && r.State != "draft" && view.Stoppable(r.State) {
		next, err := v.Control.Ceremony(v.Context(), v.Who, r.ID)
		if err != nil {
			return err
		}
		p.Next = &next
		p.Can.Sign = slices.ContainsFunc(next.Missing, func(a wire.Actor) bool { return a.ID == p.Me })
	}
	return v.Show(view.Frame{Title: view.RequestTitle(r), Here: "/requests", Wide: p.Brief != nil}, func(f view.Frame) templ.Component {
		return view.Request(f, p)
	})
}

func showBody(v *Visit) error {
	r, err := v.Control.Request(v.Context(), v.Who, v.Param("request"))
	if err != nil {
		return err
	}
	pages := max(1, (r.BodyLines+bodyLines-1)/bodyLines)
	at, err := strconv.Atoi(v.Query("page"))
	if err != nil || at < 1 {
		at = 1
	}
	at = min(at, pages)
	lines, err := v.Control.StatementBody(v.Context(), v.Who, r.ID, (at-1)*bodyLines, bodyLines)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Targets", Here: "/requests"}, func(f view.Frame) templ.Component {
		return view.Body(f, r, lines, at, pages)
	})
}

// Votes adds the pages on which an approver decides. A page is one decision, so
// that no slip of the finger turns one into the other.
func (s *Site) Votes() {
	s.votes = true
	s.Begin("/requests/:request/sign/begin", func(v *Visit) (any, error) {
		return v.Control.BeginSignCharter(v.Context(), v.Who, v.Param("request"))
	})
	s.Post("/requests/:request/sign", func(v *Visit) error {
		answer, err := v.Answer("")
		if err != nil {
			return err
		}
		if _, err := v.Control.SignCharter(v.Context(), v.Who, v.Param("request"), answer); err != nil {
			return err
		}
		return v.toRequest("signed")
	}, showRequest)
	for _, decision := range []string{"approve", "deny"} {
		show := func(v *Visit) error { return showDecision(v, decision) }
		s.Get("/requests/:request/"+decision, show)
		s.Begin("/requests/:request/"+decision+"/begin", func(v *Visit) (any, error) {
			return v.Control.BeginVote(v.Context(), v.Who, v.Param("request"), decision)
		})
		s.Post("/requests/:request/"+decision, func(v *Visit) error {
			in := wire.CastVote{Decision: decision, Reason: strings.TrimSpace(v.Field("reason")), Code: digits(v.Field("code"))}
			if in.Code == "" {
				answer, err := v.Answer("")
				if err != nil {
					return err
				}
				in.Passkey = &answer
			} else if err := v.stillReads(); err != nil {
				return err
			}
			if _, err := v.Control.CastVote(v.Context(), v.Who, v.Param("request"), in); err != nil {
				return err
			}
			return v.toRequest("voted")
		}, show)
	}
}

// stillReads refuses a code for another statement than the page showed. A
// passkey's signature needs no such check: it covers the digest.
func (v *Visit) stillReads() error {
	r, err := v.Control.Request(v.Context(), v.Who, v.Param("request"))
	if err == nil && r.Digest != v.Field("digest") {
		return control.NewError(wire.TypeDigestMismatch, nil, "The statement is not the one that the page showed. Nothing was signed. Read it again.")
	}
	return err
}

func showDecision(v *Visit, decision string) error {
	r, err := v.Control.Request(v.Context(), v.Who, v.Param("request"))
	if err != nil {
		return err
	}
	var b *wire.Brief
	if r.State != "draft" {
		brief, err := v.Control.Brief(v.Context(), v.Who, r.ID)
		if err != nil {
			return err
		}
		b = &brief
	}
	session, err := v.Control.Session(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: view.Words(decision) + ": " + strings.ToLower(view.RequestTitle(r)), Here: "/requests", Wide: true}, func(f view.Frame) templ.Component {
		return view.Decide(f, r, b, decision, session.Methods, v.Field("reason"))
	})
}

// From is the place in a list at which the page begins.
func (v *Visit) From() (int, error) {
	text := v.Query("from")
	if text == "" {
		return 0, nil
	}
	from, err := strconv.Atoi(text)
	if err != nil || from < 0 {
		return 0, control.NewError(wire.TypeInvalid, err, "The page is named by a number.")
	}
	return from, nil
}

// Around are the addresses of the first and of the next page of a list, empty
// where there is none. more are names and values that the address keeps.
func Around(path string, from, page, all int, more ...string) (first, next string) {
	at := func(from int) string {
		q := url.Values{}
		for i := 0; i+1 < len(more); i += 2 {
			if more[i+1] != "" {
				q.Set(more[i], more[i+1])
			}
		}
		if from > 0 {
			q.Set("from", strconv.Itoa(from))
		}
		if len(q) == 0 {
			return path
		}
		return path + "?" + q.Encode()
	}
	if from > 0 {
		first = at(0)
	}
	if from+page < all {
		next = at(from + page)
	}
	return first, next
}
