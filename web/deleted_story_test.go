package web_test

import (
	"archive/tar"
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// lossWords is what the overview says of the two folders.
var lossWords = regexp.MustCompile(`two folders: 3 files and 3 folders were deleted at (\S+ \S+) UTC\. Until (\S+ \S+) UTC`)

// moment reads a time as pages write it.
func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, text)
	must(t, err)
	return at
}

// TestStoryTwoFoldersInOnePress: two folders with entries of their own are deleted
// in one press; they are one act, and one press brings both back with all that they
// held. The other way, one of them alone, says what it brought back and no more.
func TestStoryTwoFoldersInOnePress(t *testing.T) {
	the.founded(t)
	o := the.owner
	v := the.filled(t, "two folders", "stays.txt")
	held := []string{"crypto/aes/block.go", "crypto/hash.go", "fmt/print.go"}
	o.unpacked(t, v, []string{"crypto/", "crypto/aes/", "fmt/"}, held)
	here := "/volumes/" + v.ID
	check := func(want ...string) {
		t.Helper()
		for _, p := range held {
			content := "404"
			for _, w := range want {
				if strings.HasPrefix(p, w) {
					content = "the content of " + p
				}
			}
			if got := o.content(t, v, p); got != content {
				t.Errorf("%s is %q, not %q", p, got, content)
			}
		}
	}
	throwAway := func() {
		t.Helper()
		o.open(t, here)
		o.press(t, "Tick all 3 of this page")
		o.see(t, "Tick none")
		o.tick(t, "stays.txt") // this one stays
		o.press(t, "Delete what is ticked…")
		o.see(t, "crypto/ and everything below it")
		o.press(t, "Delete 3 files and 3 folders")
		o.see(t, "3 files and 3 folders deleted, and can be brought back", "stays.txt")
		check()
	}
	throwAway()
	o.open(t, "/")
	o.see(t, "two folders", "3 files and 3 folders were deleted at")
	// The volume is minutes younger than its undo window, and its files have all of it.
	if m := lossWords.FindStringSubmatch(o.text()); m == nil {
		t.Errorf("until when is not said:\n%s", o.text())
	} else if d := moment(t, m[2]).Sub(moment(t, m[1])); d < 9*time.Minute {
		t.Errorf("what was deleted can be brought back for %s only", d)
	}
	o.open(t, here+"/deleted")
	o.see(t, "3 files and 3 folders deleted", "crypto/", "fmt/")
	if n := get(t, o, chromedp.Evaluate[int](`document.querySelectorAll("main section.card").length`)); n != 1 {
		t.Errorf("one press is %d acts", n)
	}
	o.press(t, "Bring all of it back")
	o.see(t, "Restored, and compared by digest", "3 files and 3 folders", "Nothing is missing any more")
	check("crypto/", "fmt/")
	o.open(t, here+"/deleted")
	o.see(t, "Nothing is missing any more")
	if text := o.text(); strings.Contains(text, "Next") {
		t.Errorf("it goes on after the end:\n%s", text)
	}

	throwAway()
	o.open(t, here+"/deleted")
	o.press(t, "Bring back crypto/")
	o.see(t, "crypto/", "2 files and 2 folders", "Something else that was deleted is still missing")
	if text := o.text(); strings.Contains(text, "Every entry") {
		t.Errorf("a part is said to be all:\n%s", text)
	}
	check("crypto/")
	o.press(t, "What else was deleted")
	o.see(t, "1 file and 1 folder deleted")
	o.press(t, "Bring it back")
	o.see(t, "Nothing is missing any more")
	check("crypto/", "fmt/")
	o.quiet(t)
}

// unpacked puts folders and files into a volume as an archive, so that the folders
// have entries of their own.
func (a *actor) unpacked(t *testing.T, v wire.Volume, folders, files []string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range folders {
		must(t, w.WriteHeader(&tar.Header{Name: f, Typeflag: tar.TypeDir, Mode: 0o755}))
	}
	for _, f := range files {
		content := "the content of " + f
		must(t, w.WriteHeader(&tar.Header{Name: f, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write([]byte(content))
		must(t, err)
	}
	must(t, w.Close())
	_, err := a.data(t, v, "put").PutTar(t.Context(), v.ID, &b, false)
	must(t, err)
}
