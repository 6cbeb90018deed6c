# Sourced by the checks that are shell scripts, in the checkout's folder: what they need before they begin.

# built_tillrace SCRIPT: prints the binary to check: $TILLRACE, else target/release/tillrace or target/debug/tillrace,
# whichever is newer. Ends with 2 where there is none.
built_tillrace() {
    local built tillrace=${TILLRACE:-}
    if [[ -z $tillrace ]]; then
        for built in target/release/tillrace target/debug/tillrace; do
            if [[ -x $built && (-z $tillrace || $built -nt $tillrace) ]]; then
                tillrace=$built
            fi
        done
    fi
    if [[ -z $tillrace || ! -x $tillrace ]]; then
        echo "$1: no tillrace binary: build one with cargo build, or set TILLRACE to its path" >&2
        return 2
    fi
    echo "$tillrace"
}

# need_python REQUIREMENTS: installs what that file lists into .venv.
need_python() {
    if [[ ! -x .venv/bin/python ]]; then
        python3 -m venv .venv
    fi
    .venv/bin/pip install --quiet --disable-pip-version-check --requirement "$1"
}
