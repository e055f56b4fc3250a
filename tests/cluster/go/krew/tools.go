//go:build tools

// Package tools pins what this module builds or reads.
package tools

import (
	_ "sigs.k8s.io/krew/cmd/krew"
)
