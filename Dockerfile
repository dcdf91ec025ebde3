# syntax=docker/dockerfile:1
# One static binary and nothing else: no shell, no package manager, no root.
#   docker build -t holdfast .
# For production pin both images by digest.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
# The data directory is made here, because the last stage has nothing to make it
# with; a new volume takes over its owner and mode.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/holdfast . && \
    install -d -m 0700 /out/data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/holdfast /usr/local/bin/holdfast
COPY --from=build --chown=65532:65532 /out/data /var/lib/holdfast
COPY LICENSE /usr/share/doc/holdfast/LICENSE
USER 65532:65532
VOLUME /var/lib/holdfast
# Portal with the API, and the console. They are two listeners so that the
# console can be kept on another network.
EXPOSE 8080 8081
ENV HOLDFAST_DIR=/var/lib/holdfast HOLDFAST_LISTEN=:8080 HOLDFAST_LISTEN_CONSOLE=:8081
# SIGTERM drains; give transfers time.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/holdfast"]
CMD ["serve"]
