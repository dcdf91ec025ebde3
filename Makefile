# Everything a developer runs. `make test` needs Go, git and apt; it brings the
# rest (.ci/setup), and starts and stops what it needs.

SHELL := /bin/bash
.DEFAULT_GOAL := build

# The packages that take longest begin first, so that none of them ends alone.
LONGEST := ./web ./server/demo ./server/control ./server/e2e/kill ./snapshots ./server/transfer ./snapshots/sweep ./server/e2e

# What runs concurrently, and so runs under the race detector. Of the use cases only
# the races themselves: the rest is sequential, and slow under the detector.
RACE := $$(go list ./internal/sqldb/... ./authz/... ./quorum/... ./snapshots/... | grep -vE '/rebuild$$|/snapshots$$|/sweep$$|/quorum/sqlstore$$')
# The concurrent packages with heavy models. The detector sees fewer cases of a model
# than `make test` tries: a case does one thing after the other.
RACE_MODELS := ./snapshots ./snapshots/sweep ./quorum/sqlstore
# Of the packages above, what is slow and does one thing at a time: the matrix of
# faults, gigabytes for their memory, a measure of time; and rebuilding. `make test`
# runs all of it.
NO_RACE := 'FlatMemory|EveryCallFails|PowerLoss|WrongBytesAreNeverServed|KilledAtEveryStep|T37_T48|TarSparseFile|T40_UploadsThatAreOver'
# SQLite is C, translated: its every read and write is of its own memory, which the
# detector would watch at a great price and without any use. Its driver is watched.
SQLITE_UNWATCHED := -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc/...=-race=false -gcflags=modernc.org/memory=-race=false
CONTROL_RACES := 'T16|T17|T27|T46'

# How long each fuzz target runs in a soak.
FUZZTIME ?= 2m

# What the bench is asked for, such as BENCH='--size 64MiB --only stream'.
BENCH ?= --peers restic,borg,kopia --size 1GiB

.PHONY: build test race race-models race-control race-packages lint soak bench benchmarks generate pictures setup clean

build: ## a static binary in bin/
	CGO_ENABLED=0 go build -trimpath -o bin/holdfast .

setup: ## install what the tests need, where it is missing
	@.ci/setup

test: setup ## all tests on SQLite and PostgreSQL, embedded and real Redis, and in a browser
	@CGO_ENABLED=0 .ci/with-postgres go test -timeout 15m -p 3 $(LONGEST) ./...

race: setup ## the concurrent packages under the race detector
	@CGO_ENABLED=1 go build -race $(SQLITE_UNWATCHED) $(RACE) $(RACE_MODELS) ./server/control
	@$(MAKE) --no-print-directory -k -j3 race-models race-control race-packages

race-models:
	@CGO_ENABLED=1 .ci/with-postgres go test -race $(SQLITE_UNWATCHED) -timeout 15m -skip $(NO_RACE) $(RACE_MODELS) -rapid.checks=25

race-control:
	@CGO_ENABLED=1 .ci/with-postgres go test -race $(SQLITE_UNWATCHED) -timeout 15m -run $(CONTROL_RACES) ./server/control

race-packages:
	@CGO_ENABLED=1 .ci/with-postgres go test -race $(SQLITE_UNWATCHED) -timeout 15m -p 1 -skip $(NO_RACE) $(RACE)

lint: ## format, vet, staticcheck, tidiness, generated code, architecture
	@.ci/lint

soak: setup ## hours: kill rounds, models and properties at length (SOAK=1), every fuzz target, and a stream of 32 GiB
	@.ci/with-postgres .ci/soak $(FUZZTIME)
	@go run ./server/bench --only memory --peers '' --size 1GiB --soak

bench: ## Holdfast beside restic, borg and kopia, as far as they are installed (BENCH=flags)
	@go run ./server/bench $(BENCH)

benchmarks: setup ## the Go benchmarks; medians of five interleaved runs are what to quote
	@for round in 1 2 3 4 5; do .ci/with-postgres go test -run '^$$' -bench . -benchmem -timeout 30m ./... || exit 1; done

generate: ## write generated code again
	go generate ./...
	go tool templ generate

pictures: ## the pictures in docs/img again
	@HOLDFAST_PICTURES=$(CURDIR)/bin/pictures go test -count=1 -run TestStoryOfTheTour ./web
	@for f in overview overview-phone bring-back restore-preview ask-deletion freeze; do \
		pngquant --force --strip --speed 1 --quality 60-90 --output docs/img/portal-$$f.png bin/pictures/$$f.png || exit 1; done
	@for f in queue request signed charter sites; do \
		pngquant --force --strip --speed 1 --quality 60-90 --output docs/img/console-$$f.png bin/pictures/console-$$f.png || exit 1; done

clean: ## what builds leave behind
	go clean ./...
