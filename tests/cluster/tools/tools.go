//go:build tools

// Package tools pins what the cluster tests build: a real API server, its client and its store.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
