// The projects whose custom resources the manifests use, for their CustomResourceDefinitions: nothing of
// their code is built. A module of its own, since their code does not agree with what ../go.mod builds.
module spinvote/tests/cluster/crds

go 1.26

require (
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.92.0
	sigs.k8s.io/gateway-api v1.5.0
)
