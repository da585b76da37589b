#!/usr/bin/env bash
# Tags the Go modules of a release. A Go module is what a tag holds, and the libraries are
# too large for every commit of main: the tags are of one commit beside it, which has what
# dist/ has.
#
# usage: scripts/go-tag.sh DIST vVERSION
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$1
version=$2
module=github.com/svidex/svidex/bindings/go

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/tree" HEAD
unzip -q "$dist/go/$module/@v/$version.zip" -d "$work/zip"
cp -R "$work/zip/$module@$version/." "$work/tree/bindings/go/"
cd "$work/tree"
git config user.name "github-actions[bot]"
git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
git add --force bindings/go
git commit --quiet -m "Go modules $version, with the libraries of this release"
git tag "bindings/go/$version"
git tag "bindings/go/svidexopenai/$version"
git push --quiet origin "bindings/go/$version" "bindings/go/svidexopenai/$version"
