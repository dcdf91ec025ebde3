package view

import "strings"

// The first that a browser's own words hold is what it is: many name others too.
var (
	browsers = []Pair{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = []Pair{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}}
)

// browser names a browser and its system from what it says of itself, or is empty.
// Anybody can say anything: those words stand below.
func browser(agent string) string {
	name, system := firstOf(browsers, agent), firstOf(systems, agent)
	if name == "" || system == "" {
		return name
	}
	return name + " on " + system
}

func firstOf(list []Pair, text string) string {
	for _, p := range list {
		if strings.Contains(text, p.Name) {
			return p.Value
		}
	}
	return ""
}
