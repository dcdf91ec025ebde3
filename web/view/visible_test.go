package view_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast/web/view"
)

func TestT50_VisibleNamesWhatCannotBeSeen(t *testing.T) {
	for in, want := range map[string]string{
		"plain name":                "plain name",
		"pay\u202eroll":             "pay[U+202E]roll",
		"a\u200bb":                  "a[U+200B]b",
		"tab\tend\x00":              "tab[U+0009]end[U+0000]",
		"bad\xffbyte":               `bad[\xFF]byte`,
		"no\u00a0break":             "no[U+00A0]break",
		"blank\u3164":               "blank[U+3164]",
		"tags\U000e0041":            "tags[U+E0041]",
		"Zürich 東京":                 "Zürich 東京",
		"z\u0300\u0301\u0302\u0303": "z\u0300\u0301[U+0302][U+0303]",
	} {
		var got strings.Builder
		for _, r := range view.Visible(in) {
			if r.Odd {
				got.WriteString("[" + r.Text + "]")
			} else {
				got.WriteString(r.Text)
			}
		}
		if got.String() != want {
			t.Errorf("%+q shows as %+q, want %+q", in, got.String(), want)
		}
	}
	if got := view.Spelled("Аcme\""); got != `"\u{410}cme\""` {
		t.Errorf("spelled %s", got)
	}
	for _, letter := range []string{"u\u0308", "\u0131", "\u00d7", "\u00a0", "ß"} { // combined, dotless, a sign, a space, nearly B
		if view.Spelled("Z"+letter) == "" {
			t.Errorf("%+q is not spelled", letter)
		}
	}
	if got := view.Spelled("Jürgen Müller"); got != "" {
		t.Errorf("letters that look like no others are spelled: %s", got)
	}
	if got := view.Spelled("Acme"); got != "" {
		t.Errorf("plain ASCII spelled again: %s", got)
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("pay\u202eroll\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range view.Visible(s) {
			if !utf8.ValidString(r.Text) || strings.ContainsAny(r.Text, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\x00\n\t") {
				t.Errorf("%+q leaves %+q", s, r.Text)
			}
		}
	})
}
