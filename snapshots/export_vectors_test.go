package snapshots

import "holdfast/snapshots/node"

// PageNode is how a catalogue page is made, for the vectors of docs/spec.
var PageNode = pageNode

// RootNode is Root.node.
var RootNode = Root.node

// ParseIndex reads an index node, for its fuzz target; it answers the number of children.
func ParseIndex(n node.Node) (int, error) {
	l, err := parseIndex(n)
	return len(l), err
}
