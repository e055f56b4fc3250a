"""A real Kubernetes on this machine, without Docker: `python -m tests.cluster --help`.

`up` builds the control plane, the node and the platform (Gateway API, KServe, Knative) from
pinned Go modules and runs them as host processes and pods. Tests and the demo import
`tests.cluster.api`.
"""
