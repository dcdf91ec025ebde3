// Package view owns what pages look like: their frame, their parts, and how
// foreign text is shown so that nobody is deceived by it. It must never read a
// request, call a power or decide anything.
package view

//go:generate go tool templ generate -path ../..
