//go:build tools

// Package tools pins what this module builds or reads.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
