package portal

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// keepPages are what is kept of a volume: its keep rule and its undo window. More is
// kept at once; to keep less leads into the gate.
func keepPages(s *page.Site) {
	s.Get("/volumes/:volume/keep", showKeep)
	s.Post("/volumes/:volume/keep", setRule, showKeep)
	s.Post("/volumes/:volume/keep/window", setWindow, showKeep)
	s.Get("/volumes/:volume/keep/shorten", showShorten)
	s.Post("/volumes/:volume/keep/shorten", askShorten, showShorten)
	s.Get("/volumes/:volume/keep/ask", showByRule)
	s.Post("/volumes/:volume/keep/ask", askByRule, showByRule)
}

// triedRule is the rule that the form or link asks about, empty when none.
func triedRule(v *page.Visit, k *view.Keep) string {
	if k.All = value(v, "all") == "yes"; k.All {
		return "keep all"
	}
	k.Values = map[string]string{}
	var parts []string
	for _, m := range view.Measures {
		n := strings.TrimLeft(strings.TrimSpace(value(v, m.Name)), "0")
		if n == "" {
			continue
		}
		k.Values[m.Name] = n
		parts = append(parts, m.Name+" "+n)
	}
	if len(parts) == 0 {
		return ""
	}
	return "keep " + strings.Join(parts, ", ")
}

func showKeep(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	k := view.Keep{Volume: volume, May: may(v), Show: v.Query("show"), Page: keepPage, Undo: v.Field("undo")}
	if k.Retention, err = v.Control.Retention(v.Context(), v.Who, volume.ID); err != nil {
		return err
	}
	if text := v.Query("from"); text != "" {
		if k.From, err = strconv.ParseInt(text, 10, 64); err != nil || k.From < 0 {
			return control.NewError(wire.TypeInvalid, err, "The page is named by a number.")
		}
	}
	k.Rule = triedRule(v, &k)
	preview, err := v.Control.WeighRetention(v.Context(), v.Who, volume.ID, k.Rule, k.Show, k.From, keepPage)
	switch {
	case err == nil:
		k.Preview = &preview
	case control.AsError(err).Type == wire.TypeInvalid && k.Rule != "":
		// Shown again with the reason above it, and with what holds.
		return v.OrAgain(err, func(v *page.Visit) error {
			k.Show, k.From, k.Rule = "", 0, ""
			if preview, err := v.Control.WeighRetention(v.Context(), v.Who, volume.ID, "", "", 0, keepPage); err == nil {
				k.Preview = &preview
			}
			return keepShown(v, k)
		})
	default:
		// Before the ceremony nothing is weighed. The rule itself can be read all the same.
		if _, sealed, e := v.Control.UndoWindow(v.Context()); e != nil || sealed {
			return err
		}
	}
	return keepShown(v, k)
}

func keepShown(v *page.Visit, k view.Keep) error {
	if k.Rule == "" && len(k.Values) == 0 && !k.All {
		k.Values = view.RuleCounts(k.Retention.Rule)
		k.All = k.Retention.RuleNumber > 0 && k.Retention.Rule == "keep all"
	}
	if k.Undo == "" {
		k.Undo = view.Lasting(k.Retention.UndoSeconds)
	}
	if members, err := v.Control.Members(v.Context(), v.Who); err == nil {
		for _, p := range members {
			if p.ID == k.Retention.RuleBy {
				k.RuleBy = p.Name
			}
			if p.ID == k.Retention.UndoBy {
				k.UndoBy = p.Name
			}
		}
	}
	return v.Show(view.Frame{Title: "What is kept", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.KeepPage(f, k) })
}

// setRule sets a rule that keeps at least as much; any other leads to its request.
func setRule(v *page.Visit) error {
	here := "/volumes/" + url.PathEscape(v.Param("volume")) + "/keep"
	rule := v.Field("rule")
	weighed, err := v.Control.WeighRetention(v.Context(), v.Who, v.Param("volume"), rule, "", 0, 1)
	if err == nil && weighed.Effect == "request" {
		return v.Go(with(here+"/shorten", "rule", rule))
	}
	if _, err := v.Control.SetRetention(v.Context(), v.Who, v.Param("volume"), wire.SetRetention{Rule: rule}); err != nil {
		return err
	}
	return v.Go(here + "?done=rule-set")
}

// setWindow lengthens the undo window; a shorter one leads to its request.
func setWindow(v *page.Visit) error {
	here := "/volumes/" + url.PathEscape(v.Param("volume")) + "/keep"
	text := strings.TrimSpace(v.Field("undo"))
	to, err := control.ParseWindow(text)
	if err != nil {
		return err
	}
	now, err := v.Control.Retention(v.Context(), v.Who, v.Param("volume"))
	if err != nil {
		return err
	}
	switch seconds := int64(to.Seconds()); {
	case seconds == now.UndoSeconds:
		return control.NewError(wire.TypeInvalid, nil, "The undo window is %s already. Write a longer one, or a shorter one to ask for it.", view.Span(to.Seconds()))
	case seconds < now.LeastSeconds:
		return control.NewError(wire.TypeInvalid, nil, "No volume’s undo window is shorter than the charter’s %s. To shorten that one the charter itself has to be changed.", view.Span(float64(now.LeastSeconds)))
	case seconds < now.UndoSeconds:
		return v.Go(with(here+"/shorten", "undo", text))
	}
	if _, err := v.Control.SetRetention(v.Context(), v.Who, v.Param("volume"), wire.SetRetention{Undo: text}); err != nil {
		return err
	}
	return v.Go(here + "?done=window-set")
}

// shortening reads what is asked to be shorter, and refuses what is not.
func shortening(v *page.Visit) (s view.Shortening, err error) {
	if s.Volume, err = theVolume(v); err != nil {
		return s, err
	}
	now, err := v.Control.Retention(v.Context(), v.Who, s.Volume.ID)
	if err != nil {
		return s, err
	}
	s.Word = "shorten " + s.Volume.ID[max(0, len(s.Volume.ID)-6):]
	s.Reason = v.Field("reason")
	if s.To = value(v, "rule"); s.To != "" {
		s.Rule, s.From = true, now.Rule
		preview, err := v.Control.WeighRetention(v.Context(), v.Who, s.Volume.ID, s.To, "unkept", 0, shownOfGroup)
		if err != nil {
			return s, err
		}
		if preview.Effect != "request" {
			return s, control.NewError(wire.TypeInvalid, nil, "This rule keeps at least what the one in force keeps. Nobody has to be asked: set it on the page of the keep rule.")
		}
		s.Preview = &preview
		return s, nil
	}
	s.To = value(v, "undo")
	to, err := control.ParseWindow(s.To)
	if err != nil {
		return s, err
	}
	if int64(to.Seconds()) >= now.UndoSeconds {
		return s, control.NewError(wire.TypeInvalid, nil, "This window is no shorter than the one that holds. Nobody has to be asked: set it on the page of the keep rule.")
	}
	s.From = view.Lasting(now.UndoSeconds)
	return s, nil
}

func showShorten(v *page.Visit) error {
	s, err := shortening(v)
	if err != nil {
		return err
	}
	title := "Ask for a shorter undo window"
	if s.Rule {
		title = "Ask for a shorter keep rule"
	}
	return v.Show(view.Frame{Title: title, Here: "/", Danger: true}, func(f view.Frame) templ.Component { return view.Shorten(f, s) })
}

func askShorten(v *page.Visit) error {
	s, err := shortening(v)
	if err != nil {
		return err
	}
	action := "shorten-undo"
	if s.Rule {
		action = "shorten-retention"
	}
	return ask(v, s.Word, wire.AskRequest{Action: action, Subject: s.Volume.ID, Facts: map[string]string{"to": s.To}, Reason: v.Field("reason")})
}

func byRule(v *page.Visit) (a view.ByRule, err error) {
	if a.Volume, err = theVolume(v); err != nil {
		return a, err
	}
	a.Word, a.Reason = "delete "+a.Volume.ID[max(0, len(a.Volume.ID)-6):], v.Field("reason")
	return a, nil
}

func showByRule(v *page.Visit) error {
	a, err := byRule(v)
	if err != nil {
		return err
	}
	impact, choice, err := v.Control.PreviewByRule(v.Context(), v.Who, a.Volume.ID)
	if err != nil {
		return err
	}
	a.Impact, a.Rule, a.Unkept = *impact, choice.Rule, choice.Unkept
	return v.Show(view.Frame{Title: "Ask for what the rule does not keep", Here: "/", Danger: true}, func(f view.Frame) templ.Component { return view.AskByRule(f, a) })
}

func askByRule(v *page.Visit) error {
	a, err := byRule(v)
	if err != nil {
		return err
	}
	return ask(v, a.Word, wire.AskRequest{Action: "delete-copies", ByRule: a.Volume.ID, Reason: v.Field("reason")})
}

// ask drafts a request and confirms it with the visitor's second factor. The typed
// word confirms that they mean it.
func ask(v *page.Visit, word string, in wire.AskRequest) error {
	if v.Field("typed") != word {
		return control.NewError(wire.TypeInvalid, nil, "What you typed is not what confirms this. Nothing was asked for. Type exactly: %s", word)
	}
	v.Destroys()
	drafted, err := v.Control.Draft(v.Context(), v.Who, in)
	if err != nil {
		return err
	}
	// The draft binds nobody. Its confirmation says what to prove presence for.
	if _, err := v.Control.ConfirmRequest(v.Context(), v.Who, drafted.ID); err != nil {
		return v.ConfirmAt("/requests/"+drafted.ID+"/confirm", err)
	}
	return v.Go("/requests/" + drafted.ID + "?done=confirmed")
}
