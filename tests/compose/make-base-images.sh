#!/usr/bin/env bash
# Makes the two base images that the Dockerfile names, from Debian packages and this machine's Rust toolchain, for
# machines whose container engine reaches no image registry. tests/compose/run.sh calls it; so may anyone.
#
# An image that is there already and was not made here (pulled, say) is left alone and used. One that was made here is
# made again only when its recipe changed. Ends with 0 when both images are there, 1 on a failure, and 69 when something
# that this machine lacks is needed first.
set -euo pipefail

unavailable() {
    echo "make-base-images: $*" >&2
    exit 69
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite=bookworm
recipe_label=penstock.base-image.recipe

# The names come from the Dockerfile's own arguments, so the two cannot differ.
default_of() {
    sed -n "s/^ARG $1=//p" "$root/Dockerfile"
}
builder_image=$(default_of BUILDER_IMAGE)
runtime_image=$(default_of RUNTIME_IMAGE)
if [ -z "$builder_image" ] || [ -z "$runtime_image" ]; then
    echo "make-base-images: the Dockerfile gives no default for BUILDER_IMAGE or RUNTIME_IMAGE" >&2
    exit 1
fi

# What decides the content: this script, the compiler, and the certificates that this machine trusts.
host_certificates=/etc/ssl/certs/ca-certificates.crt
toolchain_version=none
if command -v rustc >/dev/null; then
    toolchain_version=$(cd "$root" && rustc --version)
fi
recipe=$({
    cat "$0"
    echo "$toolchain_version"
    cat "$host_certificates" 2>/dev/null || true
} | sha256sum | cut -c 1-16)

# Is the image $1 there, and either somebody else's or of this recipe?
is_current() {
    found=$(docker image inspect --format "{{with .Config.Labels}}{{index . \"$recipe_label\"}}{{end}}" "$1" 2>/dev/null) || return 1
    [ -z "$found" ] || [ "$found" = "$recipe" ]
}

if is_current "$builder_image" && is_current "$runtime_image"; then
    echo "make-base-images: $builder_image and $runtime_image are there"
    exit 0
fi

or_pull="or pull $builder_image and $runtime_image, which are used as they are"
[ "$(id -u)" = 0 ] || unavailable "debootstrap needs root; run this as root, $or_pull"
[ "$toolchain_version" != none ] || unavailable "no rustc to put into $builder_image; install Rust, $or_pull"
if ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || unavailable "debootstrap is missing; install it, $or_pull"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends debootstrap
fi

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
tree=$work/tree

# Runs "$@" silently, and shows what it printed if it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        echo "make-base-images: failed: $*" >&2
        tail -n 40 "$work/log" >&2
        exit 1
    }
}

# Imports the tree as image $1; further arguments are Dockerfile instructions.
import_tree() {
    local name=$1 instruction
    local changes=(--change "LABEL $recipe_label=$recipe")
    shift
    for instruction in "$@"; do
        changes+=(--change "$instruction")
    done
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    tar -C "$tree" --one-file-system -c . | docker import "${changes[@]}" - "$name" >/dev/null
    echo "make-base-images: made $name"
}

echo "make-base-images: Debian $suite by debootstrap"
# DEBIAN_MIRROR is optional; debootstrap knows the public one.
quietly debootstrap --variant=minbase "$suite" "$tree" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
import_tree "$runtime_image" 'CMD ["/bin/bash"]'

echo "make-base-images: a C compiler, certificates and $toolchain_version"
quietly chroot "$tree" apt-get update
quietly chroot "$tree" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates
# Crates come over the network that this machine is on, so its certificates are the right ones.
if [ -f "$host_certificates" ]; then
    cp "$host_certificates" "$tree$host_certificates"
fi
toolchain=$(cd "$root" && rustc --print sysroot)
mkdir "$tree/usr/local/rust"
cp -a "$toolchain/bin" "$toolchain/lib" "$tree/usr/local/rust/"
import_tree "$builder_image" \
    'ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    'ENV CARGO_HOME=/usr/local/cargo' \
    'CMD ["/bin/bash"]'
