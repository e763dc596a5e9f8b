# An image with the program and nothing else it needs: docker build -t turnstile . && docker run --rm turnstile
# Alpine's Rust links against musl, statically. The shell of the second stage runs --restart-command.
FROM rust:1.95-alpine AS build
RUN apk add --no-cache build-base
WORKDIR /src
COPY . .
# Without this file rustup takes the toolchain of the image, and downloads no other.
RUN rm rust-toolchain.toml
RUN cargo build --profile release-static --locked

FROM alpine:3
COPY --from=build /src/target/release-static/turnstile /usr/local/bin/turnstile
# Where files such as target.toml are written; some builders leave a folder that WORKDIR creates to root.
RUN adduser -D turnstile && mkdir /work && chown turnstile /work
USER turnstile
WORKDIR /work
ENTRYPOINT ["turnstile"]
