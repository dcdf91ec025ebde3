package view

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"holdfast/server/wire"
)

type nowKey struct{}

// WithNow tells the parts of a page what time it is when it is shown.
func WithNow(ctx context.Context, now time.Time) context.Context {
	return context.WithValue(ctx, nowKey{}, now)
}

type codesKey struct{}

// WithCodes tells the fields for one-time codes what the app of a demonstration's
// person shows.
func WithCodes(ctx context.Context, p wire.GuidePerson) context.Context {
	return context.WithValue(ctx, codesKey{}, p)
}

func codes(ctx context.Context) wire.GuidePerson {
	p, _ := ctx.Value(codesKey{}).(wire.GuidePerson)
	return p
}

func ago(ctx context.Context, t time.Time) string {
	now, ok := ctx.Value(nowKey{}).(time.Time)
	if !ok || t.IsZero() {
		return ""
	}
	return Ago(t, now)
}

// Ago says how long before or after now a moment is, in its largest unit. The
// script says the same in the same words (static/holdfast.js).
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	ahead := d < 0
	s := int64(d.Abs() / time.Second)
	words := ""
	// What is to come is rounded, not cut: seven days are not six a second later.
	half := func(unit int64) int64 {
		if ahead {
			return unit / 2
		}
		return 0
	}
	switch {
	case s < 5:
		return "now"
	case s < 60:
		words = fmt.Sprintf("%d s", s)
	case s < 3600:
		words = fmt.Sprintf("%d min", (s+half(60))/60)
	case s < 48*3600:
		words = fmt.Sprintf("%d h", (s+half(3600))/3600)
	default:
		words = fmt.Sprintf("%d days", (s+half(86400))/86400)
	}
	if ahead {
		return "in " + words
	}
	return words + " ago"
}

// grouped is a number in groups of three.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	var out []string
	for len(text) > 3 {
		out = append([]string{text[len(text)-3:]}, out...)
		text = text[:len(text)-3]
	}
	return sign + strings.Join(append([]string{text}, out...), "\u202f")
}

// quotePattern is a pattern that only word itself matches.
func quotePattern(word string) string { return regexp.QuoteMeta(word) }

// Future says whether a moment is still to come.
func Future(ctx context.Context, t time.Time) bool {
	now, ok := ctx.Value(nowKey{}).(time.Time)
	return ok && t.After(now)
}
