# The image of the gateway, and one of the simulator for other teams' tests:
#
#   docker build .                       production: no simulator, no shell, nothing but the program, glibc and root certificates
#   docker build --target simulator .    CodePipeline's stand-in
#   docker build --build-arg PROFILE_GUIDED=true .
#                                        production, optimized with a profile of its calls, as in a release. The build takes three times
#                                        as long (tools/release-build.sh)
#
# Each architecture builds for itself (docker buildx build --platform linux/amd64,linux/arm64). The compiler is that of
# rust-toolchain.toml; base and compiler are of the same Debian, so that their glibc is too. Each FROM names its image literally,
# with tag and digest, because Dependabot reads no variable. tools/end-of-support.json has the dates after which CI refuses them.
# The SBOM of a release names the crates too, from Cargo.lock.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

FROM docker.io/library/rust:1.95.0-trixie@sha256:f49565f188ee00bc2a18dd418183f2c5f23ef7d6e691890517ed341a598f67c3 AS build
WORKDIR /src
# What .dockerignore lets through: sources, manifests, the proto files.
COPY . .
ARG PROFILE_GUIDED=false
RUN if [ "$PROFILE_GUIDED" = true ]; then rustup component add llvm-tools && set -- --profile-guided; fi \
    && cp "$(tools/release-build.sh "$@")" /codepipeline-gateway
# The base has these libraries. A dependency that needs another one fails here and not on a node.
RUN ldd /codepipeline-gateway > /needs \
    && ! grep -vE 'linux-vdso\.so|ld-linux-[a-z0-9_-]+\.so|lib(c|m|gcc_s)\.so\.[0-9]+ ' /needs

FROM build AS build-simulator
RUN cargo build --release --locked --package codepipeline-gateway \
    && cp target/release/codepipeline-gateway /codepipeline-gateway

FROM gcr.io/distroless/cc-debian13:nonroot@sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2 AS simulator
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="codepipeline-simulator" \
      org.opencontainers.image.description="A stand-in for AWS CodePipeline's third-party job API, for tests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build-simulator /codepipeline-gateway /usr/local/bin/codepipeline-gateway
USER 65532:65532
EXPOSE 4599
ENTRYPOINT ["/usr/local/bin/codepipeline-gateway"]
CMD ["simulator", "--addr", "0.0.0.0:4599"]
RUN ["/usr/local/bin/codepipeline-gateway", "--version"]

FROM gcr.io/distroless/cc-debian13:nonroot@sha256:e792ab3d241a468a4fd7519ddbbebe66b49b5f365771716ea688ad40b6c6f1c2 AS gateway
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="codepipeline-gateway" \
      org.opencontainers.image.description="A gRPC gateway to AWS CodePipeline's third-party job API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /codepipeline-gateway /usr/local/bin/codepipeline-gateway
USER 65532:65532
# gRPC, and plain HTTP for probes and metrics.
EXPOSE 50051 9090
ENTRYPOINT ["/usr/local/bin/codepipeline-gateway"]
CMD ["serve"]
# It starts with what is in this image alone.
RUN ["/usr/local/bin/codepipeline-gateway", "--version"]
