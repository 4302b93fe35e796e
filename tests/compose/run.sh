#!/usr/bin/env bash
# Builds the real Dockerfile, starts the real docker-compose.yml, and asks of it what docs/compose.md promises: the curl
# line of the README through either proxy, four proxies after a scale, one API however often `register` runs, and a
# database that outlives its containers. Called by tests/compose.rs, and by hand.
#
# Ends with 0 when all of that held, 1 when not, and 77 when this machine cannot run it; where CI=true, 1 instead of 77.
# It uses a compose project and ports of its own, and takes everything down again but the builder's cache.
#
# CARGO_PROFILE     `dev` unless set: the images' content is not what is measured here
# COMPOSE_TEST_PORTS  host ports for the proxies, 18080-18089 unless set
set -euo pipefail

readonly up_max_s=1800
readonly healthy_max_s=120
readonly request_max_s=60
readonly down_max_s=120

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

say() {
    printf 'compose test [%4d s]: %s\n' "$SECONDS" "$*"
}

fail() {
    say "FAILED: $*" >&2
    exit 1
}

cannot_run() {
    [ "${CI:-}" != true ] || fail "CI must run this test, but $*"
    say "SKIP: $*"
    exit 77
}

# ---- What the machine offers ----

command -v docker >/dev/null || cannot_run "there is no docker client"
docker info >/dev/null 2>&1 || cannot_run "no container engine answers"
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
else
    cannot_run "there is neither docker compose nor docker-compose"
fi
for tool in curl python3; do
    command -v "$tool" >/dev/null || cannot_run "there is no $tool"
done

base_images_status=0
"$here/make-base-images.sh" || base_images_status=$?
case $base_images_status in
    0) ;;
    69) cannot_run "the base images cannot be made here (see above)" ;;
    *) fail "the base images could not be made" ;;
esac

# ---- The project, and its end ----

export COMPOSE_PROJECT_NAME="penstock-test-$$"
export CARGO_PROFILE=${CARGO_PROFILE:-dev}
export PENSTOCK_PROXY_PORTS=127.0.0.1:${COMPOSE_TEST_PORTS:-18080-18089}
# Any free port: the engine chooses where none is given.
export PENSTOCK_MANAGEMENT_PORTS=127.0.0.1:
scratch=$(mktemp -d)

take_down() {
    local status=$?
    trap - EXIT
    if [ "$status" != 0 ]; then
        docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" || true
        "${compose[@]}" logs --no-color --tail=100 2>&1 || true
    fi
    timeout "$down_max_s" "${compose[@]}" down --volumes --remove-orphans --rmi local --timeout 10 \
        >"$scratch/down.log" 2>&1 || {
        cat "$scratch/down.log"
        say "project $COMPOSE_PROJECT_NAME was not taken down" >&2
        status=1
    }
    rm -rf "$scratch"
    exit "$status"
}
trap take_down EXIT
trap 'exit 1' HUP INT TERM

# Starts what its arguments say, and shows what compose and the builder printed if that fails.
up() {
    say "up $*"
    timeout "$up_max_s" "${compose[@]}" up --detach "$@" >"$scratch/up.log" 2>&1 || {
        tail -n 100 "$scratch/up.log"
        fail "up $* failed"
    }
}

# ---- What to look at ----

# The container ids of service $1, one a line, stopped ones included.
containers_of() {
    docker ps --all --quiet --no-trunc \
        --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$1" | sort
}

# One word for each container of service $1: its health, or its exit code once it has ended.
states_of() {
    local id
    for id in $(containers_of "$1"); do
        docker inspect --format \
            '{{if eq .State.Status "exited"}}exited:{{.State.ExitCode}}{{else if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$id"
    done | sort | tr '\n' ' '
}

# Waits until the states of service $1 are exactly the further arguments.
wait_for() {
    local service=$1 deadline=$((SECONDS + healthy_max_s)) states
    shift
    until states=$(states_of "$service") && [ "$states" = "$* " ]; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$service should become '$*' within $healthy_max_s s, and is '$states'"
        sleep 1
    done
    say "$service: $*"
}

wait_for_stack() {
    wait_for control-plane healthy
    wait_for image-resizer healthy
    wait_for data-plane "$@"
}

pixels() {
    local width height
    read -r width height < <(python3 "$here/jpeg_size.py" "$1") || return 1
    echo $((width * height))
}

# Posts the photo through every proxy, each by its own host port, and wants a smaller JPEG from each.
post_through_every_proxy() {
    local id address status before after deadline
    before=$(pixels examples/my_image.jpg)
    for id in $(containers_of data-plane); do
        address=$(docker port "$id" 8080/tcp)
        # A proxy is ready when it serves a configuration, and the newest one is one push away from that.
        deadline=$((SECONDS + healthy_max_s))
        while
            status=$(curl --silent --show-error --max-time "$request_max_s" --write-out '%{http_code}' \
                -X POST "http://$address/images" -H 'Content-Type: image/jpeg' \
                --data-binary @examples/my_image.jpg -o "$scratch/resized.jpg") || fail "no answer through $address"
            [ "$status" = 403 ] && [ "$SECONDS" -lt "$deadline" ]
        do
            sleep 1
        done
        [ "$status" = 200 ] || fail "the proxy on $address answers $status: $(head -c 500 "$scratch/resized.jpg")"
        after=$(pixels "$scratch/resized.jpg") || fail "the answer through $address is no JPEG"
        [ "$after" -lt "$before" ] || fail "$after pixels through $address, which is not less than $before"
        say "through $address: $before pixels became $after"
    done
    [ "$(for id in $(containers_of data-plane); do docker port "$id" 8080/tcp; done | sort -u | wc -l)" = \
        "$(containers_of data-plane | wc -l)" ] || fail "two proxies share a host port"
}

expect_one_api() {
    local list
    list=$("${compose[@]}" exec -T control-plane penstock api list --output json) || fail "penstock api list failed"
    python3 -c '
import json, sys
apis = json.loads(sys.argv[1])["items"]
sys.exit(None if len(apis) == 1 else f"{len(apis)} APIs: {apis}")
' "$list" || fail "register must put one API, however often it runs"
    say "one API is registered"
}

expect_unprivileged() {
    local service id
    for service in control-plane data-plane image-resizer; do
        for id in $(containers_of "$service"); do
            [ "$(docker exec "$id" id -u)" = 10001 ] || fail "$service runs as user $(docker exec "$id" id -u)"
            [ "$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$id")" = true ] ||
                fail "$service can write to its root"
        done
    done
    say "nothing runs as root, no root is writable"
}

# ---- The story ----

up --build
wait_for_stack healthy healthy
wait_for register exited:0
expect_unprivileged
post_through_every_proxy
expect_one_api
two=$(containers_of data-plane)

up --scale data-plane=4
wait_for_stack healthy healthy healthy healthy
wait_for register exited:0
post_through_every_proxy
expect_one_api
[ "$(comm -12 <(echo "$two") <(containers_of data-plane))" = "$two" ] || fail "scaling replaced the proxies that served"

# Without `register`, so what the proxies serve now comes from the volume.
say "down, and up without register"
timeout "$down_max_s" "${compose[@]}" down --timeout 10 >"$scratch/down.log" 2>&1 || {
    cat "$scratch/down.log"
    fail "down failed"
}
up control-plane data-plane image-resizer
wait_for_stack healthy healthy
post_through_every_proxy
expect_one_api

say "passed"
