//go:build tools

// Package tools pins what this module builds or reads.
package tools

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
