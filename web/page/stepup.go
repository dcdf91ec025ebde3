package page

import (
	"maps"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"holdfast/server/api"
	"holdfast/server/wire"
	"holdfast/web/view"
)

// A form whose action needs a step-up is answered by a page that shows the exact
// text and sends the same form again, to the same path, with the proof. What the
// proof was made for is checked by the power, not here: a form changed meanwhile
// has another digest and is asked again (T07).

const stepUpPrefix = "step_up"

// stepUp proves the step-up that came with the form, if one did.
func (v *Visit) stepUp() error {
	digest := v.Field(stepUpPrefix)
	if digest == "" {
		return nil
	}
	in := wire.StepUp{Digest: digest, Code: digits(v.Field("step_up_code"))}
	if in.Code == "" {
		answer, err := v.Answer("step_up_")
		if err != nil {
			return err
		}
		in.Passkey = &answer
	}
	o, err := v.Control.StepUp(v.Context(), v.Who, in)
	if err != nil {
		return err
	}
	v.keep(o)
	cred := api.Credentials(v.Context())
	cred.Session = o.Secret
	v.stepped = true
	return v.authenticate(cred)
}

func (v *Visit) askStepUp(challenge wire.StepUpChallenge) error {
	s, err := v.Control.Session(v.Context(), v.Who)
	if err != nil {
		return err
	}
	methods := slices.DeleteFunc(slices.Clone(challenge.Methods), func(m string) bool { return !slices.Contains(s.Methods, m) })
	var kept []view.Pair
	form := v.c.Request().PostForm
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if strings.HasPrefix(name, stepUpPrefix) || strings.Contains(name, "password") {
			continue
		}
		for _, value := range form[name] {
			kept = append(kept, view.Pair{Name: name, Value: value})
		}
	}
	danger := v.destroys || destroys(challenge.Text)
	return v.Show(view.Frame{Title: "Confirm with your second factor", Danger: danger}, func(f view.Frame) templ.Component {
		return view.StepUp(f, challenge, v.about(challenge.Text), methods, v.c.Request().URL.EscapedPath(), kept)
	})
}

// about is the request whose statement is to be confirmed, nil for anything else. Nothing
// depends on it: what is signed is the text.
func (v *Visit) about(text string) *wire.Request {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] != "holdfast statement v1" {
		return nil
	}
	id, ok := strings.CutPrefix(lines[2], "request ")
	if !ok {
		return nil
	}
	r, err := v.Control.Request(v.Context(), v.Who, id)
	if err != nil {
		return nil
	}
	return &r
}

// destroying are the gated actions that end in something gone for good.
var destroying = []string{"delete-copies", "shorten-undo", "shorten-retention", "close-tenant", "destroy-key"}

// destroys says whether what is confirmed is a statement that leads to destruction.
func destroys(text string) bool {
	return slices.ContainsFunc(destroying, func(action string) bool {
		return strings.HasPrefix(text, "holdfast statement v1\naction "+action+"\n")
	})
}

// Destroys marks a form that leads to destruction: a step-up on its way looks like it,
// whatever its text is about.
func (v *Visit) Destroys() { v.destroys = true }
