#!/bin/sh
# Builds kube-apiserver, kube-controller-manager and kubectl as one program: build.sh FILE. Cold it takes 5 minutes on 2 cores;
# nothing is debugged in it, so that it is built without what a debugger needs.
set -eu
cd "$(dirname "$0")"
version=$(go list -mod=readonly -m -f '{{.Version}}' k8s.io/kubernetes)
base=k8s.io/component-base/version
minor=${version#*.}
flags="-s -w -X $base.gitVersion=$version -X $base.gitMajor=1 -X $base.gitMinor=${minor%%.*}"
CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-mod=readonly nice -n 10 \
  go build -trimpath -gcflags=all=-dwarf=false -ldflags "$flags" -o "$1.new" .
mv "$1.new" "$1"
