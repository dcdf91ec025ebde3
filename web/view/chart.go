package view

import (
	"fmt"
	"slices"
	"strings"
)

// The chart's own units; the stylesheet scales it.
const (
	chartWidth, chartHeight = 120.0, 32.0
	chartEdge               = 2.0
	// maxPoints bounds what one small chart draws; more are thinned out.
	maxPoints = 120
)

// line are the points of a chart's line: the first at the left edge, the last at
// the right one, zero at the bottom.
func line(points []int64) string {
	points = thinned(points)
	top := float64(max(1, slices.Max(points)))
	var out []string
	for i, p := range points {
		x := chartWidth * float64(i) / float64(max(1, len(points)-1))
		y := chartHeight - chartEdge - (chartHeight-2*chartEdge)*float64(max(0, p))/top
		out = append(out, fmt.Sprintf("%.1f,%.1f", x, y))
	}
	return strings.Join(out, " ")
}

// area is line, closed along the bottom.
func area(points []int64) string {
	return fmt.Sprintf("0,%.0f %s %.0f,%.0f", chartHeight, line(points), chartWidth, chartHeight)
}

func thinned(points []int64) []int64 {
	if len(points) <= maxPoints {
		return points
	}
	out := make([]int64, maxPoints)
	for i := range out {
		out[i] = points[i*(len(points)-1)/(maxPoints-1)]
	}
	return out
}
