package view

import (
	"strconv"
	"strings"

	"holdfast/server/wire"
)

// signedTenant is the tenant's name as the request's statement has it: whose data it
// is about, in the words that are signed. Empty without a tenant or a statement.
func signedTenant(r wire.Request) string {
	for line := range strings.Lines(r.Statement) {
		if quoted, is := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "tenant "+r.Tenant+" "); is && r.Tenant != "" {
			return unspelled(quoted)
		}
	}
	return ""
}

// unspelled is the text that a statement spells in ASCII quotes (Spelled); empty if it is none.
func unspelled(quoted string) string {
	var out strings.Builder
	rest, opened := strings.CutPrefix(quoted, `"`)
	rest, closed := strings.CutSuffix(rest, `"`)
	for opened && closed && rest != "" {
		before, after, escaped := strings.Cut(rest, `\`)
		out.WriteString(before)
		if rest = after; !escaped {
			break
		}
		if hex, more, is := strings.Cut(strings.TrimPrefix(rest, "u{"), "}"); is && strings.HasPrefix(rest, "u{") {
			n, err := strconv.ParseUint(hex, 16, 21)
			if err != nil {
				return ""
			}
			out.WriteRune(rune(n))
			rest = more
		} else if rest != "" {
			out.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	return out.String()
}
