package password

import "testing"

// FuzzParsePHC is inside the package because the parser is not exported: what
// parses renders to the same bytes, and asks for bounded work.
func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=08,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if h.String() != s {
			t.Fatalf("%q became %q", s, h.String())
		}
		if h.params.MemoryKiB() > maxMemoryKiB || h.params.Time() > maxTime || h.params.Threads() > maxThreads {
			t.Fatal("unbounded work")
		}
	})
}
