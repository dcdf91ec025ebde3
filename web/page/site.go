package page

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/api"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/static"
	"holdfast/web/view"
)

// policy lets a page load its own stylesheet and script, send its own forms, and
// nothing else; no string becomes script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Options are what both faces are given.
type Options struct {
	Live *Live
	// Guide is a demonstration's start page; nil everywhere else.
	Guide func() (wire.Guide, bool)
}

// Site is one face's pages.
type Site struct {
	control *control.Control
	face    authz.Face
	nav     []view.Link
	echo    *echo.Echo
	live    *Live
	guide   func() (wire.Guide, bool)
	votes   bool // approvers decide here
}

// New mounts what both faces share: the static files and the pages of the own
// account. nav is the navigation of who is signed in.
func New(e *echo.Echo, c *control.Control, o Options, face authz.Face, nav ...view.Link) *Site {
	s := &Site{control: c, live: o.Live, guide: o.Guide, face: face, nav: nav, echo: e}
	static.Mount(e)
	s.Begin("/step-up/begin", func(v *Visit) (any, error) {
		return v.Control.BeginStepUp(v.Context(), v.Who, wire.StepUpBegin{Digest: v.Field(stepUpPrefix)})
	})
	s.livePages()
	s.sessionPages()
	s.invitationPages()
	s.factorPages()
	s.accountPages()
	s.guidePage()
	s.requestPages()
	e.RouteNotFound("/*", func(ec echo.Context) error {
		if strings.HasPrefix(ec.Request().URL.Path, "/v1/") || ec.Request().Method != http.MethodGet {
			return echo.ErrNotFound
		}
		return s.Open(func(*Visit) error {
			return control.NewError(wire.TypeNotFound, nil, "There is no page at this address. It may have been mistyped, or shortened by the program that showed it.")
		})(ec)
	})
	return s
}

// Handler answers one visit. An error that it returns is shown in words, or leads
// to where it can be mended.
type Handler func(*Visit) error

// Open answers anybody.
func (s *Site) Open(h Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := s.visit(c)
		if err == nil {
			err = h(v)
		}
		return v.fail(err)
	}
}

// Signed answers who has signed in, whatever the assurance: the powers decide
// what it is enough for.
func (s *Site) Signed(h Handler) echo.HandlerFunc {
	return s.Open(func(v *Visit) error {
		cred := api.Credentials(v.Context())
		cred.Unattended = v.isUnattended()
		if err := v.authenticate(cred); err != nil {
			return err
		}
		return h(v)
	})
}

// Get serves a page.
func (s *Site) Get(path string, h Handler) { s.echo.GET(path, s.Signed(h)) }

// Post serves a form. A step-up that comes with it is proved first. Where do
// fails in a way that the visitor can mend, again shows the form's page with the
// reason above it.
func (s *Site) Post(path string, do, again Handler) {
	s.echo.POST(path, s.Signed(func(v *Visit) error {
		if err := v.stepUp(); err != nil {
			e := control.AsError(err)
			if e.Type == wire.TypeNotAuthenticated {
				return err
			}
			// The action asks again, with the reason above its question.
			v.alert, v.status = &view.Alert{Title: e.Title, Detail: e.Detail}, e.Status
		}
		return v.orAgain(do(v), again)
	}))
}

// Begin serves the options of a passkey ceremony to the script.
func (s *Site) Begin(path string, power func(*Visit) (any, error)) {
	s.echo.POST(path, s.Signed(func(v *Visit) error {
		v.script = true
		options, err := power(v)
		if err != nil && control.AsError(err).Type == wire.TypeStepUpRequired {
			// No form is under way here that could show the text and go on after it.
			return control.NewError(wire.TypeStepUpRequired, err, "This session was opened with a factor that was too new then, or what you proved is too long ago. Sign out and in again with a factor that is past its quarantine, and repeat it.")
		}
		if err != nil {
			return err
		}
		return v.c.JSON(http.StatusOK, options)
	}))
}

// Visit is one request for a page with who makes it.
type Visit struct {
	Who     control.Caller
	Control *control.Control

	site    *Site
	c       echo.Context
	script  bool // the script asks, and reads problems as JSON
	stepped bool // a step-up came with the form and held
	// destroys marks a form that leads to destruction.
	destroys bool
	status   int
	alert    *view.Alert
}

func (s *Site) visit(c echo.Context) (*Visit, error) {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	// Under "no-referrer" browsers send "Origin: null" with forms, which is refused.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	r := c.Request()
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
	cred := api.Credentials(r.Context())
	v := &Visit{site: s, Control: s.control, c: c, status: http.StatusOK}
	v.Who = control.Caller{Face: s.face, Address: cred.Address, Agent: cred.Agent}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				return v, control.NewError(wire.TypeTooLarge, err, "The form is larger than this page takes.")
			}
			return v, control.NewError(wire.TypeInvalid, err, "The form could not be read. Go back and send it again.")
		}
	}
	return v, nil
}

// Context is the request's.
func (v *Visit) Context() context.Context { return v.c.Request().Context() }

// Param is a part of the path.
func (v *Visit) Param(name string) string { return v.c.Param(name) }

// Query is a value of the query.
func (v *Visit) Query(name string) string { return v.c.QueryParam(name) }

// Field is a value of the form.
func (v *Visit) Field(name string) string { return v.c.Request().PostForm.Get(name) }

// Fields are all values of a field of the form.
func (v *Visit) Fields(name string) []string { return v.c.Request().PostForm[name] }

// Answer reads a passkey's answer out of the form.
func (v *Visit) Answer(prefix string) (wire.PasskeyAnswer, error) {
	out := wire.PasskeyAnswer{Ceremony: v.Field(prefix + "ceremony"), Name: v.Field(prefix + "name")}
	text := v.Field(prefix + "credential")
	if text == "" || len(text) > maxCredential {
		return out, control.NewError(wire.TypeInvalid, nil, "The passkey did not answer. These pages need their script for passkeys: allow it, or use a code.")
	}
	if err := json.Unmarshal([]byte(text), &out.Credential); err != nil {
		return out, control.NewError(wire.TypeInvalid, err, "The passkey's answer is not JSON. Begin again.")
	}
	return out, nil
}

// Go sends the browser on by GET. path is this service's own.
func (v *Visit) Go(path string) error { return v.c.Redirect(http.StatusSeeOther, path) }

// Show answers with a page. frame's title, and what is special, come from the
// handler; the rest is filled in here.
func (v *Visit) Show(f view.Frame, page func(view.Frame) templ.Component) error {
	f.Site, f.Nav, f.Alert = v.site.face.String(), v.site.nav, v.alert
	if f.Done == "" && v.alert == nil {
		f.Done = done[v.Query("done")]
	}
	f.Demo = v.demo()
	guide, guided := v.guide()
	f.Guide = guided
	if v.person() {
		f.Person, f.Role, f.Tenant = v.Who.Person.Name, v.Who.Principal.Role.String(), v.Who.Tenant.Name
		if v.Who.Principal.Staff != 0 {
			f.Role = v.Who.Principal.Staff.String()
		}
		left := v.left()
		f.Idle, f.Whole = left.Idle, left.Whole
	}
	v.c.Response().Header().Set(echo.HeaderContentType, echo.MIMETextHTMLCharsetUTF8)
	v.c.Response().WriteHeader(v.status)
	shown := view.WithNow(v.Context(), v.now())
	if guided {
		shown = view.WithCodes(shown, v.codes(guide))
	}
	return page(f).Render(shown, v.c.Response())
}

// demo reports whether the charter in force says so. Where that cannot be found
// out the page says nothing: the powers refuse what needs a charter.
func (v *Visit) demo() bool {
	purpose, err := v.Control.Purpose(v.Context())
	return err == nil && purpose == "demo"
}

// done are the only sentences that a redirect can ask for.
var done = map[string]string{
	"factor-added":    "The factor is added. All your sessions see it; you have been told by notice.",
	"factor-removed":  "The factor is removed.",
	"session-ended":   "That session is ended. Whoever used it is signed out.",
	"password":        "Your password is changed. All your other sessions are ended.",
	"confirmed":       "The request is confirmed and open for votes.",
	"voted":           "Your decision is recorded. What you signed stands below.",
	"cancelled":       "The request is cancelled.",
	"restored":        "What was hidden is brought back.",
	"signed":          "Your signature is on the charter.",
	"frozen":          "The freeze is in force. Only a quorum can lift it.",
	"locked-down":     "The lockdown and its freeze are in force. The lockdown ended your own session too: sign in again with the factor that you had signed in with.",
	"held":            "The hold is in force. Only a quorum can release it.",
	"suspended":       "Both of you are suspended. A quorum of others decides when that ends.",
	"signed-out":      "You are signed out.",
	"volume-made":     "The volume is made. Put something into it.",
	"volume-deleted":  "The volume’s primary data is deleted. Until the undo window ends it can be brought back below.",
	"rule-set":        "The keep rule is set. What it keeps stands below; it deletes nothing.",
	"window-set":      "The undo window is longer now.",
	"volume-back":     "The volume is back, with all that it held.",
	"deleted":         "Deleted. Until the undo window ends it can be brought back, under “Bring back”.",
	"uploaded":        "Uploaded. It is durable.",
	"upload-given-up": "Given up. What came of it is not kept; nothing that was there has changed.",
	"snapshot-taken":  "The snapshot is taken. From now on nobody can delete it alone. It is being sealed.",
	"role-changed":    "The role is changed.",
	"member-removed":  "The member is removed, and signed out everywhere.",
	"token-revoked":   "The token is revoked. It works no more.",
}

// orAgain shows again with err above it, unless err is mended elsewhere.
func (v *Visit) orAgain(err error, again Handler) error {
	if err == nil || again == nil || v.c.Response().Committed {
		return err
	}
	e := control.AsError(err)
	switch e.Type {
	case wire.TypeNotAuthenticated, wire.TypeSecondFactorRequired, wire.TypeStepUpRequired, wire.TypeNotFound, wire.TypeInternal:
		return e
	}
	v.alert, v.status = &view.Alert{Title: e.Title, Detail: e.Detail}, e.Status
	return again(v)
}

// fail turns an error into a page, a problem for the script, or a way on.
func (v *Visit) fail(err error) error {
	if err == nil || v.c.Response().Committed {
		return err
	}
	e := control.AsError(err)
	if v.script {
		return api.Problem(v.c, e)
	}
	switch {
	case e.Type == wire.TypeNotAuthenticated && v.c.Request().URL.Path == "/" && v.guided():
		return v.Go("/demo")
	case e.Type == wire.TypeNotAuthenticated:
		return v.Go(withNext("/sign-in", v.next()))
	case e.Type == wire.TypeSecondFactorRequired:
		return v.Go(withNext("/second-factor", v.next()))
	case e.Type == wire.TypeStepUpRequired && e.StepUp != nil && v.c.Request().Method == http.MethodPost:
		return v.askStepUp(*e.StepUp)
	}
	if e.Status >= http.StatusInternalServerError && v.Context().Err() == nil { // or nobody waits for it any more
		v.Control.Log.ErrorContext(v.Context(), "page failed", "route", v.c.Path(), "type", e.Type, "error", e.Error())
	}
	v.status, v.alert = e.Status, &view.Alert{Title: e.Title, Detail: e.Detail}
	return v.Show(view.Frame{Title: "This did not work", Narrow: true}, framed(view.Trouble))
}

// framed makes a page of a body that needs nothing.
func framed(body func() templ.Component) func(view.Frame) templ.Component {
	return func(f view.Frame) templ.Component { return view.Framed(f, body()) }
}
