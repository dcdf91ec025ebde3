package page

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

func (s *Site) invitationPages() {
	s.echo.GET("/invitation", s.Open(showInvitation))
	s.echo.POST("/invitation", s.Open(func(v *Visit) error { return v.orAgainHereIf(showInvitationFactor(v, v.Field("kind")), showInvitation) }))
	s.echo.POST("/invitation/begin", s.Open(func(v *Visit) error {
		v.script = true
		b, err := v.begin(v.Field("secret"), "passkey")
		if err != nil {
			return err
		}
		return v.c.JSON(http.StatusOK, b.Passkey)
	}))
	accept := func(kind string, fill func(*Visit, *wire.AcceptInvitation) error) {
		s.echo.POST("/invitation/"+kind, s.Open(func(v *Visit) error {
			in := wire.AcceptInvitation{Secret: secretOf(v), Password: v.Field("password")}
			err := error(nil)
			if in.Password != v.Field("repeat") {
				err = control.NewError(wire.TypeInvalid, nil, "The two passwords differ. Type the same one twice.")
			}
			if err == nil {
				err = fill(v, &in)
			}
			var o control.Opened
			if err == nil {
				o, err = v.Control.AcceptInvitation(v.Context(), v.Who, in)
			}
			if err == nil {
				v.keep(o)
				return v.Go("/")
			}
			return v.orAgainHere(err, func(v *Visit) error {
				if kind == "totp" {
					v.alert.Detail += " The secret below is a new one: remove the earlier one from the app and scan again."
				}
				return v.orAgainHereIf(showInvitationFactor(v, kind), showInvitation)
			})
		}))
	}
	accept("totp", func(v *Visit, in *wire.AcceptInvitation) error {
		in.TOTP = &wire.Code{Code: digits(v.Field("code")), Ceremony: v.Field("ceremony")}
		return nil
	})
	accept("passkey", func(v *Visit, in *wire.AcceptInvitation) error {
		answer, err := v.Answer("")
		in.Passkey = &answer
		return err
	})
}

func secretOf(v *Visit) string { return strings.TrimSpace(v.Field("secret")) }

func (v *Visit) begin(secret, kind string) (wire.BegunInvitation, error) {
	return v.Control.BeginInvitation(v.Context(), v.Who, wire.BeginInvitation{Secret: strings.TrimSpace(secret), Kind: kind})
}

func (v *Visit) orAgainHereIf(err error, again Handler) error {
	if err == nil {
		return nil
	}
	return v.orAgainHere(err, again)
}

func showInvitation(v *Visit) error {
	return v.Show(view.Frame{Title: "Accept an invitation", Narrow: true}, view.Invitation)
}

func showInvitationFactor(v *Visit, kind string) error {
	b, err := v.begin(v.Field("secret"), kind)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Your account", Narrow: true}, func(f view.Frame) templ.Component {
		return view.InvitationFactor(f, secretOf(v), b)
	})
}
