package snapshots

// PageNode is how a catalogue page is made, for the vectors of docs/spec.
var PageNode = pageNode

// RootNode is Root.node.
var RootNode = Root.node
