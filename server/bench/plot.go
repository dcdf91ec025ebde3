package main

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 785
	plotLeft   = 215
	plotRight  = 90
	barHeight  = 14
	barGap     = 4
	groupGap   = 18
	plotHeader = 34
)

// The colours are told apart by those who do not see red or green, too
// (Okabe and Ito); whoever is not in the list is grey.
var colours = map[string]string{
	"holdfast": "#0072B2", fastName: "#56B4E9", "restic": "#E69F00", "restic-local": "#F0E442", "borg": "#009E73", "kopia": "#CC79A7",
}

// writePlot draws the throughput of each step by each program as bars, with the
// ceiling as a line. Groups have scales of their own, for an unchanged tree is
// a hundred times as fast as a new one.
func writePlot(w io.Writer, rows []row, title string) error {
	type group struct{ data, step string }
	var groups []group
	for _, r := range rows {
		if g := (group{r.Data, r.Step}); !slices.Contains(groups, g) && r.Step != stepErase {
			groups = append(groups, g)
		}
	}
	var b strings.Builder
	y := plotHeader
	for _, g := range groups {
		of := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.Data != g.data || r.Step != g.step })
		greatest, ceiling := 0.0, 0.0
		for _, r := range of {
			greatest = max(greatest, r.MiBs)
			if r.VsCeiling > 0 && r.Program == "holdfast" {
				ceiling = r.MiBs / r.VsCeiling
			}
		}
		greatest = max(greatest, ceiling)
		if greatest == 0 {
			continue
		}
		length := func(mibs float64) float64 { return float64(plotWidth-plotLeft-plotRight) * mibs / greatest }
		fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="bold">%s</text>`+"\n", y+11, html.EscapeString(g.data+", "+g.step))
		top := y
		for _, r := range of {
			colour := colours[r.Program]
			if colour == "" {
				colour = "#888888"
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, plotLeft-6, y+11, html.EscapeString(r.Program))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, plotLeft, y, max(length(r.MiBs), 1), barHeight, colour)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.0f MiB/s</text>`+"\n", float64(plotLeft)+length(r.MiBs)+4, y+11, r.MiBs)
			y += barHeight + barGap
		}
		if ceiling > 0 {
			x := float64(plotLeft) + length(ceiling)
			fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="currentColor" stroke-dasharray="3 2"><title>ceiling: %.0f MiB/s</title></line>`+"\n", x, top-2, x, y, ceiling)
		}
		y += groupGap
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="11" fill="currentColor" role="img">`+"\n", plotWidth, y)
	head += fmt.Sprintf(`<rect width="%d" height="%d" fill="#ffffff"/><g color="#1a1a1a" fill="#1a1a1a">`+"\n", plotWidth, y)
	head += fmt.Sprintf(`<title>%s</title><text x="8" y="18" font-size="13" font-weight="bold">%s</text>`+"\n", html.EscapeString(title), html.EscapeString(title))
	_, err := io.WriteString(w, head+b.String()+"</g></svg>\n")
	return err
}
