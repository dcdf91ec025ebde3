// Package push sends a directory, or a stream, into a volume. It cuts and names
// the chunks itself, asks which of them the volume has, and sends the others in
// segments that the service makes durable one by one: what breaks off anywhere
// goes on where it was.
//
// It only reads the directory and follows no symbolic link in it. What it
// remembers between two pushes is a cache: without it everything is as right, and
// slower. Its memory does not depend on how much is sent.
package push
