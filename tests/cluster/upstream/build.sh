#!/usr/bin/env bash
# Builds etcd and Kubernetes as go.mod beside this file names them, and prints the directory of the programs. It takes
# minutes the first time; afterwards they lie in a cache outside the tree until go.mod changes.
set -euo pipefail
cd "$(dirname "$0")"

version() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit }' go.mod; }
kubernetes=$(version k8s.io/kubernetes)
home=${TOKENTRAIL_UPSTREAM:-${XDG_CACHE_HOME:-$HOME/.cache}/tokentrail-upstream}
name=$(cat go.mod go.sum build.sh | sha256sum | cut -c 1-16)
built=$home/$kubernetes-$name
if [ ! -x "$built/kubectl" ]; then
  mkdir -p "$home"
  # Whoever is first builds, others wait; what is half built has no name.
  exec 9>"$home/lock"
  flock 9
  if [ ! -x "$built/kubectl" ]; then
    half=$(mktemp -d "$home/half.XXXXXX")
    trap 'rm -rf "$half"' EXIT
    stamp="-s -w -X k8s.io/component-base/version.gitVersion=$kubernetes -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes"
    nice go build -o "$half/etcd" -ldflags "-s -w" go.etcd.io/etcd/server/v3 >&2
    nice go build -o "$half/" -ldflags "$stamp" \
      k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kubectl} >&2
    mv "$half" "$built"
    trap - EXIT
  fi
fi
echo "$built"
