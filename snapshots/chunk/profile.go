package chunk

import "fmt"

// Profile is the cutting rule of a volume. It is stored with the volume and never changes for it.
type Profile uint8

// The profiles. Their numbers are part of the stored format; zero is invalid.
const (
	// ProfileFiles is gear v1 for trees of files and archives: 512 KiB on average, 128 KiB to 2 MiB.
	ProfileFiles Profile = 1
	// ProfileDisk is gear v1 for streams with small changes: 64 KiB on average, 16 KiB to 256 KiB.
	ProfileDisk Profile = 2
	// ProfilePages cuts at every multiple of 64 KiB of the stream: for disk images, whose contents never shift.
	ProfilePages Profile = 3
)

// rule holds a profile's numbers. fixed is the grid of a profile that does not look at the content.
type rule struct {
	name             string
	min, normal, max int
	bits             int // log2 of the average
	fixed            int
}

// normal lies below the average, so that the mean of random data comes out at the average.
var rules = [...]rule{
	ProfileFiles: {name: "files", min: 128 << 10, normal: 432 << 10, max: 2 << 20, bits: 19},
	ProfileDisk:  {name: "disk", min: 16 << 10, normal: 54 << 10, max: 256 << 10, bits: 16},
	ProfilePages: {name: "pages", max: 64 << 10, fixed: 64 << 10},
}

// String names the profile as charters, configuration and screens write it.
func (p Profile) String() string {
	if !p.Valid() {
		return fmt.Sprintf("profile(%d)", uint8(p))
	}
	return rules[p].name
}

// Valid says whether the profile is a known one.
func (p Profile) Valid() bool { return p != 0 && int(p) < len(rules) }

// Max is the longest piece of data of the profile, in bytes; 0 for an unknown profile.
func (p Profile) Max() int {
	if !p.Valid() {
		return 0
	}
	return rules[p].max
}

// Min is the shortest piece of data of the profile that another piece of data may follow, in bytes: 1 for profiles that
// cut on a grid, 0 for an unknown profile.
func (p Profile) Min() int {
	if !p.Valid() {
		return 0
	}
	return max(1, rules[p].min)
}

// ParseProfile reads a profile's name.
func ParseProfile(s string) (Profile, error) {
	for p := ProfileFiles; p.Valid(); p++ {
		if rules[p].name == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrProfile, s)
}
