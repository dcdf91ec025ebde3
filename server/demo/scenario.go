package demo

import "context"

func runCodeSpaces(context.Context, Options) error { return nil }
