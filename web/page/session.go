package page

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"holdfast/server/api"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

func (s *Site) sessionPages() {
	s.echo.GET("/sign-in", s.Open(showSignIn))
	s.echo.POST("/sign-in", s.Open(func(v *Visit) error {
		o, err := v.Control.SignIn(v.Context(), v.Who, wire.SignIn{Email: v.Field("email"), Password: v.Field("password")})
		if err != nil {
			return v.orAgainHere(err, showSignIn)
		}
		v.keep(o)
		return v.Go(withNext("/second-factor", v.next()))
	}))
	s.echo.POST("/sign-in/begin", s.Open(func(v *Visit) error {
		v.script = true
		options, err := v.Control.BeginKeySignIn(v.Context(), v.Who)
		if err != nil {
			return err
		}
		return v.c.JSON(http.StatusOK, options)
	}))
	s.echo.POST("/sign-in/passkey", s.Open(func(v *Visit) error {
		answer, err := v.Answer("")
		var o control.Opened
		if err == nil {
			o, err = v.Control.FinishKeySignIn(v.Context(), v.Who, answer)
		}
		if err != nil {
			return v.orAgainHere(err, showSignIn)
		}
		v.keep(o)
		return v.Go(v.next())
	}))
	s.echo.GET("/second-factor", s.Signed(showSecondFactor))
	s.Begin("/second-factor/begin", func(v *Visit) (any, error) { return v.Control.BeginPasskey(v.Context(), v.Who) })
	raise := func(path string, power func(*Visit) (control.Opened, error)) {
		s.echo.POST(path, s.Signed(func(v *Visit) error {
			o, err := power(v)
			if err != nil {
				return v.orAgain(err, showSecondFactor)
			}
			v.keep(o)
			return v.Go(v.next())
		}))
	}
	raise("/second-factor/code", func(v *Visit) (control.Opened, error) {
		return v.Control.VerifyTOTP(v.Context(), v.Who, digits(v.Field("code")))
	})
	raise("/second-factor/recovery", func(v *Visit) (control.Opened, error) {
		return v.Control.VerifyRecovery(v.Context(), v.Who, strings.TrimSpace(v.Field("code")))
	})
	raise("/second-factor/passkey", func(v *Visit) (control.Opened, error) {
		answer, err := v.Answer("")
		if err != nil {
			return control.Opened{}, err
		}
		return v.Control.FinishPasskey(v.Context(), v.Who, answer)
	})
	s.echo.POST("/sign-out", s.Signed(func(v *Visit) error {
		if err := v.Control.SignOut(v.Context(), v.Who); err != nil {
			return err
		}
		v.keep(control.Opened{Expires: v.Who.Session.CreatedAt})
		return v.Go("/sign-in?done=signed-out")
	}))
}

func showSignIn(v *Visit) error {
	return v.Show(view.Frame{Title: "Sign in", Narrow: true}, func(f view.Frame) templ.Component {
		return view.SignIn(f, v.Field("email"), v.next())
	})
}

func showSecondFactor(v *Visit) error {
	s, err := v.Control.Session(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Second factor", Narrow: true}, func(f view.Frame) templ.Component {
		return view.SecondFactor(f, s, v.next())
	})
}

// authenticate finds out who visits.
func (v *Visit) authenticate(cred control.Credentials) error {
	// Pages are for people: a bearer is no session and has no business here.
	cred.Bearer = ""
	who, err := v.Control.Authenticate(v.Context(), cred)
	if err != nil {
		return err
	}
	v.Who = who
	return nil
}

// keep puts a session's secret into the face's cookie; every power that raises
// a session gives it another one (T08).
func (v *Visit) keep(o control.Opened) { v.c.SetCookie(api.SessionCookie(v.site.face, o)) }

// orAgainHere is orAgain for the form of somebody who has not signed in, where
// "not authenticated" and the like cannot lead elsewhere.
func (v *Visit) orAgainHere(err error, again Handler) error {
	e := control.AsError(err)
	v.alert, v.status = &view.Alert{Title: e.Title, Detail: e.Detail}, e.Status
	if again == nil || e.Status >= 500 && e.Type != wire.TypeUnavailable {
		return err
	}
	return again(v)
}

// next is where the visitor wanted to go: a path of this service, never another
// address.
func (v *Visit) next() string {
	next := v.Field("next")
	if next == "" {
		next = v.Query("next")
	}
	if next == "" && v.c.Request().Method == http.MethodGet {
		next = v.c.Request().URL.EscapedPath()
	}
	return local(next)
}

func local(next string) string {
	if next == "" || len(next) > maxNext || next[0] != '/' || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n?#") {
		return "/"
	}
	for _, own := range []string{"/sign-in", "/sign-out", "/second-factor", "/invitation"} {
		if next == own || strings.HasPrefix(next, own+"/") {
			return "/"
		}
	}
	return next
}

func withNext(path, next string) string {
	if next == "/" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
}

// digits takes the spaces out that apps show inside a code.
func digits(code string) string { return strings.ReplaceAll(strings.TrimSpace(code), " ", "") }
