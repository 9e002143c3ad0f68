# Dockerfile — moonport in containers: `slim`, the default, holds the program and what it needs to
# start; `full` is a Debian with Lua modules written in C. ./dev image builds them, and
# docs/containers.md shows how they are used.

ARG BASE=docker.io/library/debian:trixie-slim

# --- The program, and the files that it needs ---------------------------------------------------

FROM $BASE AS build

# What `./dev run` needs; tests/image_files_spec.lua compares the two. The certificates are for slim.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates cmake gcc libc-ares-dev libc6-dev libedit-dev libjansson-dev libjs-codemirror liblmdb-dev \
      liblua5.4-dev libssl-dev libuv1-dev make pkg-config systemtap-sdt-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .
RUN cmake --preset release -DMOONPORT_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr \
 && cmake --build --preset release --parallel \
 && cmake --build --preset release --target sbom \
 && DESTDIR=/installed cmake --install build/release --component program --strip

# ldd names the libraries by the paths under which the program will look for them; OpenSSL it loads by
# itself, when it first needs it. C.UTF-8 tells how wide a character is on a terminal.
RUN set -eu; \
    install -D -m 644 -t /image/usr/lib/locale/C.utf8 /usr/lib/locale/C.utf8/LC_CTYPE; \
    install -D -t /image/usr/bin /installed/usr/bin/moonport; \
    install -D -m 644 -t /image/usr/share/moonport deploy/welcome.lua; \
    install -D -m 644 -t /image/usr/share/doc/moonport build/release/sbom.cdx.json; \
    install -D -m 644 -t /image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt; \
    ssl="$(find /lib/ -name libssl.so.3)"; \
    for library in "$ssl" $(ldd /installed/usr/bin/moonport | grep -o '/[^ ]*') \
        $(ldd "$ssl" | grep -o '/[^ ]*'); do \
      install -D "$library" "/image$library"; \
    done

FROM $BASE AS modules

RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates lua-cjson lua-filesystem lua-lpeg lua-posix lua-zlib \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/ldconfig/aux-cache
COPY --from=build /image/usr/ /usr/

# --- What both images say about themselves ------------------------------------------------------

FROM scratch AS settings

# ./dev image adds version, revision and created; as arguments of the build they would be cached.
LABEL org.opencontainers.image.title="moonport" \
      org.opencontainers.image.description="A socket server whose behaviour is a Lua script" \
      org.opencontainers.image.licenses="MIT"

# Inside a container 127.0.0.1 is reached by nobody outside of it. The control socket's name is an
# abstract one, so that it needs neither a directory nor anything that can be written.
ENV MOONPORT_HOST=0.0.0.0 \
    MOONPORT_CONTROL=@moonport \
    MOONPORT_WELCOME=/usr/share/moonport/welcome.lua

WORKDIR /scripts
VOLUME /scripts
EXPOSE 12345
# A number, so that Kubernetes can see that it is not root; any other one will do, too.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/moonport", "health"]
ENTRYPOINT ["/usr/bin/moonport"]
CMD ["serve", "/scripts"]

# --- The images -----------------------------------------------------------------------------------

FROM settings AS full
COPY --from=modules / /

FROM settings AS slim
COPY --from=build /image/ /
