package untar_test

import (
	"os"
	"syscall"
	"testing"
)

// blocks is how many bytes the file system has allocated for a file.
func blocks(t *testing.T, name string) int64 {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}
