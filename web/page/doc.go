// Package page owns what the pages of both faces share: the seam to HTTP, the
// session's cookie, errors in words, the step-up in the middle of an action, the
// pages of the own account and of requests. It must never change anything but by
// a power of server/control, nor weaken the content policy for a page.
package page
