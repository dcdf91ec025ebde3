package page

import (
	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

// A demonstration has a start page with its people, their secrets and a guided
// path. It exists only where the program was given a guide and the charter's
// purpose is demo.
func (s *Site) guidePage() {
	s.echo.GET("/demo", s.Open(func(v *Visit) error {
		guide, ok := v.guide()
		if !ok {
			return control.NewError(wire.TypeNotFound, nil, "There is no page at this address.")
		}
		return v.Show(view.Frame{Title: "Try Holdfast"}, func(f view.Frame) templ.Component { return view.Guide(f, guide) })
	}))
}

func (v *Visit) guide() (wire.Guide, bool) {
	if v.site.guide == nil || !v.demo() {
		return wire.Guide{}, false
	}
	return v.site.guide()
}

func (v *Visit) guided() bool {
	_, ok := v.guide()
	return ok
}

// codes are the one-time codes of whoever of the demonstration visits, also
// between password and second factor: their app is nowhere else.
func (v *Visit) codes(g wire.Guide) wire.GuidePerson {
	for _, p := range g.People {
		if p.Email == v.Who.Person.Email {
			return p
		}
	}
	return wire.GuidePerson{}
}
