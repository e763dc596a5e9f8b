# An image with the program and nothing else it needs: docker build -t turnstile . && docker run --rm turnstile
# Alpine's Rust links against musl, statically. The shell of the second stage runs --restart-command.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base
WORKDIR /src
COPY . .
# The toolchain of the image, whatever rust-toolchain.toml says.
ENV RUSTUP_TOOLCHAIN=1.95
RUN cargo build --profile release-static --locked

FROM alpine:3
COPY --from=build /src/target/release-static/turnstile /usr/local/bin/turnstile
RUN adduser -D turnstile
USER turnstile
WORKDIR /work
ENTRYPOINT ["turnstile"]
