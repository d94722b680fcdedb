# Read by ./run and ./test: sets $python to an interpreter that can make the environment, or says what is missing.
# Only built-in commands of sh are used, so that it works whatever PATH holds.

# An empty environment has no PATH; sh then searches a default one, and the programs started from here need the same.
PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
export PATH

python=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "$0: needs Python 3.11 or newer with its venv and ensurepip modules (on Debian: python3-venv)" >&2
    exit 1
fi
