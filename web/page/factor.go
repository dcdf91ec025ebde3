package page

import (
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

func (s *Site) factorPages() {
	s.Get("/factors", showFactors)
	// The step-up comes before the new factor is made: a fresh code would grow
	// old meanwhile, and nobody likes a second scan.
	s.Post("/factors/totp", func(v *Visit) error {
		if err := v.stepUpFirst(func() error {
			_, err := v.Control.ConfirmTOTP(v.Context(), v.Who, wire.Code{Name: v.Field("name")})
			return err
		}); err != nil {
			return err
		}
		return showAddTOTP(v)
	}, showFactors)
	s.Post("/factors/totp/confirm", func(v *Visit) error {
		if _, err := v.Control.ConfirmTOTP(v.Context(), v.Who, wire.Code{
			Name: v.Field("name"), Ceremony: v.Field("ceremony"), Code: digits(v.Field("code")),
		}); err != nil {
			return err
		}
		return v.Go("/factors?done=factor-added")
	}, showFactors)
	s.Post("/factors/passkey", func(v *Visit) error {
		if err := v.stepUpFirst(func() error {
			_, err := v.Control.FinishPasskeyEnrolment(v.Context(), v.Who, wire.PasskeyAnswer{Name: v.Field("name")})
			return err
		}); err != nil {
			return err
		}
		return showAddPasskey(v)
	}, showFactors)
	s.Begin("/factors/passkey/begin", func(v *Visit) (any, error) { return v.Control.BeginPasskeyEnrolment(v.Context(), v.Who) })
	s.Post("/factors/passkey/finish", func(v *Visit) error {
		answer, err := v.Answer("")
		if err != nil {
			return err
		}
		if _, err := v.Control.FinishPasskeyEnrolment(v.Context(), v.Who, answer); err != nil {
			return err
		}
		return v.Go("/factors?done=factor-added")
	}, showFactors)
	s.Post("/factors/:factor/remove", func(v *Visit) error {
		if err := v.Control.RemoveFactor(v.Context(), v.Who, v.Param("factor")); err != nil {
			return err
		}
		return v.Go("/factors?done=factor-removed")
	}, showFactors)
}

// stepUpFirst lets an action ask for its step-up before there is anything to do:
// probe calls it with nothing in hand. A step-up that was left over is used up by
// the first probe, and the second one asks.
func (v *Visit) stepUpFirst(probe func() error) error {
	if v.stepped {
		return nil
	}
	err := probe()
	if err == nil || control.AsError(err).Type != wire.TypeStepUpRequired {
		err = probe()
	}
	return err
}

func showFactors(v *Visit) error {
	factors, err := v.Control.Factors(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Your second factors", Here: "/account"}, func(f view.Frame) templ.Component {
		return view.Factors(f, factors, view.Machine(v.now()), v.Who.ID())
	})
}

func showAddTOTP(v *Visit) error {
	e, err := v.Control.BeginTOTP(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Add an authenticator app", Here: "/account", Narrow: true}, func(f view.Frame) templ.Component {
		return view.AddTOTP(f, e, v.Field("name"))
	})
}

func showAddPasskey(v *Visit) error {
	return v.Show(view.Frame{Title: "Add a passkey", Here: "/account", Narrow: true}, func(f view.Frame) templ.Component {
		return view.AddPasskey(f, v.Field("name"))
	})
}

func (v *Visit) now() time.Time { return v.Control.Clock.Now() }
