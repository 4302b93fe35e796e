# Penstock's images, one target per role: control-plane, data-plane, cli, image-resizer.
#
#   docker build --target data-plane --tag penstock-data-plane .
#
# Both builders of the engine read this file, the classic one and BuildKit. So it has no RUN --mount, no heredoc and no
# COPY --parents; the dependency layer comes from the `skeleton` stage instead.
#
# Every role's image carries `penstock` as well: it is the health check, and the operator's hand inside a container.

# Any image with cargo, a C compiler and certificates to fetch crates with; and any Debian-like image whose C library is
# not older than the builder's.
ARG BUILDER_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

# The workspace with every crate emptied: manifests, the lock file and bare crate roots. The next stage copies the
# result, and a copied stage is cached by content; so dependencies are compiled again only when a manifest changes.
FROM ${BUILDER_IMAGE} AS skeleton
WORKDIR /src
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -name lib.rs ! -name main.rs ! -name build.rs \
        ! -path '*/benches/*.rs' ! -path '*/tests/*.rs' -delete \
    && find . -name '*.rs' -exec sh -c 'for root; do echo "fn main() { }" > "$root"; done' sh {} + \
    && find . -mindepth 1 -type d -empty -delete

FROM ${BUILDER_IMAGE} AS build
# `release` is what to run; `dev` builds in a third of the time.
ARG CARGO_PROFILE=release
ENV CARGO_INCREMENTAL=0 \
    CARGO_TARGET_DIR=/target \
    PACKAGES="-p penstock-control-plane -p penstock-data-plane -p penstock -p image-resizer"
WORKDIR /src
COPY --from=skeleton /src ./
RUN cargo build --locked --profile "$CARGO_PROFILE" $PACKAGES
COPY . .
# cargo compares times, and a copied file keeps the time it has on the host, which is before the empty crates' build.
RUN find . -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile "$CARGO_PROFILE" $PACKAGES \
    && case "$CARGO_PROFILE" in dev) built=debug ;; *) built="$CARGO_PROFILE" ;; esac \
    && cd "/target/$built" \
    && install -D -t /out penstock-control-plane penstock-data-plane penstock image-resizer

FROM ${RUNTIME_IMAGE} AS runtime
LABEL org.opencontainers.image.title="Penstock" \
      org.opencontainers.image.licenses="Apache-2.0"
# The user has a fixed number, so that a volume outlives the image and a security context can name it. It has no home and
# no shell. A new volume takes its owner and mode from the folder that it covers.
RUN groupadd --gid 10001 penstock \
    && useradd --uid 10001 --gid penstock --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin penstock \
    && install -d -o penstock -g penstock -m 0700 /var/lib/penstock
# Authorities for upstreams behind TLS; the slim image has none.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/penstock /usr/local/bin/penstock
USER 10001:10001
# The binaries drain on SIGTERM, also as process 1.
STOPSIGNAL SIGTERM

# The health checks below: `penstock healthcheck` gives up after 3 s and says why, so the engine waits a little longer.

FROM runtime AS cli
ENTRYPOINT ["penstock"]
CMD ["--help"]

FROM runtime AS image-resizer
COPY --from=build /out/image-resizer /usr/local/bin/image-resizer
ENV IMAGE_RESIZER_LISTEN=0.0.0.0:9000
EXPOSE 9000
HEALTHCHECK --interval=3s --timeout=5s --start-period=15s --retries=3 \
    CMD ["penstock", "healthcheck", "http://127.0.0.1:9000/health"]
ENTRYPOINT ["image-resizer"]

FROM runtime AS control-plane
COPY --from=build /out/penstock-control-plane /usr/local/bin/penstock-control-plane
# On every address, so it starts only once it is told who may call: docs/security.md.
ENV PENSTOCK_LISTEN=0.0.0.0:50051 \
    PENSTOCK_ADMIN_LISTEN=0.0.0.0:9090 \
    PENSTOCK_DATA_DIR=/var/lib/penstock
VOLUME /var/lib/penstock
EXPOSE 50051 9090
HEALTHCHECK --interval=3s --timeout=5s --start-period=15s --retries=3 \
    CMD ["penstock", "healthcheck", "http://127.0.0.1:9090/health/ready"]
ENTRYPOINT ["penstock-control-plane"]

FROM runtime AS data-plane
COPY --from=build /out/penstock-data-plane /usr/local/bin/penstock-data-plane
ENV PENSTOCK_LISTEN=0.0.0.0:8080 \
    PENSTOCK_ADMIN_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
# Ready means: serving a configuration. A proxy that lost its control plane serves on and stays ready.
HEALTHCHECK --interval=3s --timeout=5s --start-period=15s --retries=3 \
    CMD ["penstock", "healthcheck", "http://127.0.0.1:8081/health/ready"]
ENTRYPOINT ["penstock-data-plane"]
