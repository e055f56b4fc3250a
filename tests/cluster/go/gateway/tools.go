//go:build tools

// Package tools pins the module whose config/crd folder is read; nothing of it is built.
package tools

import _ "sigs.k8s.io/gateway-api/apis/v1"
