package view

import (
	"fmt"
	"strconv"
	"time"

	"holdfast/server/wire"
)

// Zoom is how much of the past a timeline shows.
type Zoom struct {
	Name  string
	Spans int
	Width time.Duration
	Ticks int
	Tick  string // layout of a tick's time
}

// Zooms are the zooms of a timeline, nearest first.
var Zooms = []Zoom{
	{"day", 96, 15 * time.Minute, 6, "15:04"},
	{"month", 124, 6 * time.Hour, 4, "2 Jan"},
	{"year", 183, 48 * time.Hour, 6, "Jan 2006"},
}

// Length is how much time the zoom shows.
func (z Zoom) Length() time.Duration { return time.Duration(z.Spans) * z.Width }

// Timeline is what the timeline's page shows.
type Timeline struct {
	Glance    wire.Glance
	Volume    wire.Volume
	Zoom      Zoom
	Data      wire.Timeline
	Now       time.Time
	Snapshots []wire.Snapshot // of the time that is shown, newest first
	Older     string          // the next page of them
	First     string
	May       May
}

func (t Timeline) until() time.Time { return t.Data.From.Add(t.Zoom.Length()) }

func (t Timeline) at(zoom string, end time.Time) string {
	return "/volumes/" + t.Volume.ID + "/timeline?zoom=" + zoom + "&until=" + end.UTC().Format("2006-01-02T15:04:05Z")
}

func (t Timeline) earlier() string { return t.at(t.Zoom.Name, t.until().Add(-t.Zoom.Length()/2)) }

func (t Timeline) later() string {
	if !t.until().Before(t.Now) {
		return ""
	}
	return t.at(t.Zoom.Name, t.until().Add(t.Zoom.Length()/2))
}

func (t Timeline) zooms() []Link {
	var out []Link
	for _, z := range Zooms {
		out = append(out, Link{t.at(z.Name, t.until()), Words(z.Name)})
	}
	return out
}

func (t Timeline) ticks() []string {
	var out []string
	for i := range t.Zoom.Ticks + 1 {
		out = append(out, t.Data.From.Add(t.Zoom.Length()/time.Duration(t.Zoom.Ticks)*time.Duration(i)).UTC().Format(t.Zoom.Tick))
	}
	return out
}

// spanWidth is how wide a span is in a lane's picture.
const spanWidth = 10

func (t Timeline) box() string { return fmt.Sprintf("0 0 %d 24", t.Zoom.Spans*spanWidth) }

func x(span int) string { return strconv.Itoa(span * spanWidth) }

func (t Timeline) begin(span int) time.Time {
	return t.Data.From.Add(time.Duration(span) * t.Zoom.Width)
}

func (t Timeline) markClass(m wire.Mark) string {
	switch stand := m.Count - m.Erased; {
	case stand == 0:
		return "mark moment"
	case m.Whole < stand:
		return "mark part"
	case m.Proven < stand:
		return "mark held"
	}
	return "mark proven"
}

func (t Timeline) markWords(m wire.Mark) string {
	stand := m.Count - m.Erased
	if stand == 0 {
		return Count(m.Erased, "snapshot", "snapshots") + " from " + Time(t.begin(m.Span)) + ", erased"
	}
	out := Count(stand, "snapshot", "snapshots") + " from " + Time(t.begin(m.Span))
	switch {
	case m.Whole < stand:
		out += fmt.Sprintf(", %d whole here", m.Whole)
	case m.Proven < stand:
		out += ", held"
	default:
		out += ", proven"
	}
	if m.Erased > 0 {
		out += fmt.Sprintf("; %d more erased", m.Erased)
	}
	return out
}

func (t Timeline) markPath(m wire.Mark) string {
	if m.Count == 1 || t.Zoom.Name == "day" {
		return "/snapshots/" + m.Newest
	}
	return t.at("day", t.begin(m.Span).Add(12*time.Hour))
}

// moments are the spans that lie in the undo window, each with a moment to restore.
func (t Timeline) moments() []wire.Mark {
	var out []wire.Mark
	for i := range t.Zoom.Spans {
		if end := t.begin(i + 1); end.After(t.Volume.UndoFrom) && t.begin(i).Before(t.Now) {
			out = append(out, wire.Mark{Span: i})
		}
	}
	return out
}

func (t Timeline) moment(span int) time.Time {
	end := t.begin(span + 1)
	if end.After(t.Now) {
		end = t.Now
	}
	if t.Volume.DeletedAt != nil && !end.Before(*t.Volume.DeletedAt) {
		end = t.Volume.DeletedAt.Add(-time.Microsecond)
	}
	return end.Truncate(time.Microsecond)
}

func (t Timeline) momentPath(span int) string {
	return Point{Volume: t.Volume, At: t.moment(span)}.Path("/restore")
}

func (t Timeline) summary() string {
	total := int64(0)
	for _, l := range t.Data.Lanes {
		n := int64(0)
		for _, m := range l.Marks {
			n += m.Count - m.Erased
		}
		total = max(total, n)
	}
	return Count(total, "snapshot", "snapshots") + " from " + Time(t.Data.From) + " to " + Time(t.until())
}
