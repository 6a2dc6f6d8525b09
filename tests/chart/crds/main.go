// Reads Kubernetes objects in YAML from standard input and decodes those of custom kinds into their own Go types,
// strictly: a field that a type doesn't have, or a value of another type, is an error. Prints how many it knew.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	yamlstream "k8s.io/apimachinery/pkg/util/yaml"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

func object(kind metav1.TypeMeta) any {
	switch kind {
	case metav1.TypeMeta{APIVersion: "gateway.networking.k8s.io/v1", Kind: "GRPCRoute"}:
		return &gateway.GRPCRoute{}
	case metav1.TypeMeta{APIVersion: "cert-manager.io/v1", Kind: "Certificate"}:
		return &certmanager.Certificate{}
	case metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: "PodMonitor"}:
		return &monitoring.PodMonitor{}
	case metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: "ServiceMonitor"}:
		return &monitoring.ServiceMonitor{}
	case metav1.TypeMeta{APIVersion: "monitoring.coreos.com/v1", Kind: "PrometheusRule"}:
		return &monitoring.PrometheusRule{}
	}
	return nil
}

func main() {
	documents := yamlstream.NewYAMLReader(bufio.NewReader(os.Stdin))
	known, wrong := 0, 0
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var kind metav1.TypeMeta
		if err == nil {
			err = yaml.Unmarshal(text, &kind)
		}
		if into := object(kind); err == nil && into != nil {
			known++
			err = yaml.UnmarshalStrict(text, into)
		}
		if err != nil {
			wrong++
			fmt.Fprintf(os.Stderr, "%s: %v\n", kind.Kind, err)
		}
	}
	fmt.Println(known)
	if wrong > 0 {
		os.Exit(1)
	}
}
