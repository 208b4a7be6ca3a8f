# Sourced by the scripts beside it: a copy of the checkout in a temporary folder, cleaned of what a used machine brings.
#   $workspace  the temporary folder, removed at exit;  $checkout  the copy, and the current folder

for variable in $(compgen -e | grep -E '^(FASTCONV_|PYTEST_|MYPY|RUFF_|OMP_|GOMP_)' || true); do
    unset "$variable"
done
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CC CFLAGS CPPFLAGS LDFLAGS ARCHFLAGS LD_PRELOAD MAKEFLAGS
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 CI=1

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
workspace=$(mktemp -d)
trap 'rm -rf "$workspace"' EXIT
checkout=$workspace/checkout
mkdir "$checkout"

# Objects and extensions of earlier builds stay behind: only what git knows or would add is copied.
git -c safe.directory='*' -C "$repository" ls-files -z --cached --others --exclude-standard --deduplicate |
    while IFS= read -r -d '' file; do
        if [ -e "$repository/$file" ]; then printf '%s\0' "$file"; fi
    done |
    tar -C "$repository" --null --files-from=- -cf - | tar -C "$checkout" -xf -
cd "$checkout"

say() { printf '\n== %s\n' "$*"; }

# Print the path of a Python that runs: as a command, or among pyenv's versions.
find_python() {
    local candidate
    for candidate in "python$1" $(compgen -G "$(pyenv root 2>/dev/null)/versions/$1*/bin/python$1" || true); do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# Run something that downloads, without showing from where.
quietly() { "$@" 2>&1 | sed -E 's#(https?|file)://[^ ,)"'"'"']*#<index>#g; s#host=[^,)]*#host=<index>#g'; }

# create_environment <folder> <python>
create_environment() { "$2" -m venv "$1"; }

# install <environment> <what pip installs>...
install() { quietly "$1/bin/python" -m pip install -qq "${@:2}"; }
