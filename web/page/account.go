package page

import (
	"slices"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

// The pages of the own account: what others see of it, sessions, password,
// recovery codes and what one was told. Factors have a file of their own.
func (s *Site) accountPages() {
	s.Get("/account", showAccount)
	s.Get("/sessions", showSessions)
	s.Post("/sessions/:session/end", func(v *Visit) error {
		if err := v.Control.RevokeSession(v.Context(), v.Who, v.Param("session")); err != nil {
			return err
		}
		if v.Param("session") == v.Who.Session.Handle {
			return v.Go("/sign-in?done=signed-out")
		}
		return v.Go("/sessions?done=session-ended")
	}, showSessions)
	s.Get("/password", showPassword)
	// The step-up comes first, with nothing in hand: a password is never kept in a
	// page while a factor is asked for.
	s.Post("/password/begin", func(v *Visit) error {
		if err := v.stepUpFirst(func() error {
			_, err := v.Control.ChangePassword(v.Context(), v.Who, wire.ChangePassword{})
			return err
		}); err != nil {
			return err
		}
		return showNewPassword(v)
	}, showPassword)
	s.Post("/password", func(v *Visit) error {
		if v.Field("password") != v.Field("repeat") {
			return v.orAgain(control.NewError(wire.TypeInvalid, nil, "The two new passwords differ. Type the same one twice."), showNewPassword)
		}
		o, err := v.Control.ChangePassword(v.Context(), v.Who, wire.ChangePassword{Old: v.Field("old-password"), New: v.Field("password")})
		if err != nil && control.AsError(err).Type == wire.TypeInvalid {
			// The confirmation still holds.
			return v.orAgain(err, showNewPassword)
		}
		if err != nil {
			return err
		}
		v.keep(o)
		return v.Go("/account?done=password")
	}, showPassword)
	s.Get("/recovery", showRecovery)
	s.Post("/recovery", func(v *Visit) error {
		codes, err := v.Control.RenewRecoveryCodes(v.Context(), v.Who)
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Your recovery codes", Here: "/account", Narrow: true}, func(f view.Frame) templ.Component {
			return view.RecoveryCodes(f, codes.Codes)
		})
	}, showRecovery)
	s.Get("/notices", func(v *Visit) error {
		list, err := v.Control.Notices(v.Context(), v.Who)
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "What you were told", Here: "/account"}, func(f view.Frame) templ.Component {
			return view.Notices(f, list)
		})
	})
	// All that the page showed, and nothing that came after it.
	s.Post("/notices/read", func(v *Visit) error {
		list, err := v.Control.Notices(v.Context(), v.Who)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(list, func(n wire.Notice) bool { return n.ID == v.Field("newest") })
		for i, n := range list {
			if at < 0 || i < at || n.ReadAt != nil {
				continue
			}
			if err := v.Control.MarkNoticeRead(v.Context(), v.Who, n.ID); err != nil {
				return err
			}
		}
		return v.Go("/notices")
	}, nil)
	s.Post("/notices/:notice/read", func(v *Visit) error {
		if err := v.Control.MarkNoticeRead(v.Context(), v.Who, v.Param("notice")); err != nil {
			return err
		}
		return v.Go("/notices")
	}, nil)
}

func showAccount(v *Visit) error {
	s, err := v.Control.Session(v.Context(), v.Who)
	if err != nil {
		return err
	}
	factors, err := v.Control.Factors(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Your account", Here: "/account"}, func(f view.Frame) templ.Component {
		return view.Account(f, s, len(factors))
	})
}

func showSessions(v *Visit) error {
	list, err := v.Control.OwnSessions(v.Context(), v.Who)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Your sessions", Here: "/account"}, func(f view.Frame) templ.Component {
		return view.Sessions(f, list)
	})
}

func showPassword(v *Visit) error {
	return v.Show(view.Frame{Title: "Your password", Here: "/account"}, view.PasswordStart)
}

func showNewPassword(v *Visit) error {
	return v.Show(view.Frame{Title: "A new password", Here: "/account", Narrow: true}, view.PasswordForm)
}

func showRecovery(v *Visit) error {
	return v.Show(view.Frame{Title: "Recovery codes", Here: "/account"}, view.RecoveryStart)
}
