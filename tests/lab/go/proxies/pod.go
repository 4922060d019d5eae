// Copyright (c) 2026, meshops.istio contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	faultNote      = "lab.meshops.dev/proxy-fault"
	faultProxyNote = "lab.meshops.dev/fault-proxy"
	rejecting      = "reject"
	away           = "disconnect"
	container      = "istio-proxy"
)

type pod struct {
	Metadata struct {
		UID         string            `json:"uid"`
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeName       string  `json:"nodeName"`
		ServiceAccount string  `json:"serviceAccountName"`
		InitContainers []image `json:"initContainers"`
		Containers     []image `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
		PodIP string `json:"podIP"`
	} `json:"status"`
}

type image struct {
	Name  string   `json:"name"`
	Image string   `json:"image"`
	Args  []string `json:"args"`
	Env   []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"env"`
}

// proxy returns the container that runs the proxy, and whether there is one; that of a ztunnel has other arguments.
func (p pod) proxy() (image, bool) {
	for _, group := range [][]image{p.Spec.Containers, p.Spec.InitContainers} {
		for _, one := range group {
			if one.Name == container && len(one.Args) > 1 && one.Args[0] == "proxy" {
				return one, true
			}
		}
	}
	return image{}, false
}

func (p pod) running() bool {
	return p.Status.Phase == "Running" && p.Status.PodIP != ""
}

// fault returns what is wrong with the proxy; nothing where the fault is for another version.
func (p pod) fault(version string) string {
	if only := p.Metadata.Annotations[faultProxyNote]; only != "" && only != version {
		return ""
	}
	return p.Metadata.Annotations[faultNote]
}

func (i image) version() string {
	tag := i.Image[strings.LastIndex(i.Image, ":")+1:]
	return strings.TrimSuffix(strings.TrimSuffix(tag, "-distroless"), "-debug")
}

func (i image) env(name string) string {
	for _, one := range i.Env {
		if one.Name == name {
			return one.Value
		}
	}
	return ""
}

// discovery returns the address of its istiod as the injection wrote it; a gateway of its own only has that of the CA.
func (i image) discovery() string {
	config := struct {
		DiscoveryAddress string `json:"discoveryAddress"`
	}{}
	if json.Unmarshal([]byte(i.env("PROXY_CONFIG")), &config) == nil && config.DiscoveryAddress != "" {
		return config.DiscoveryAddress
	}
	return i.env("CA_ADDR")
}

// node returns what the proxy says of itself (istio/istio pkg/bootstrap/config.go).
func (p pod) node(proxy image) (*core.Node, error) {
	labels := map[string]any{}
	for name, value := range p.Metadata.Labels {
		labels[name] = value
	}
	metadata, err := structpb.NewStruct(map[string]any{
		"NAME":            p.Metadata.Name,
		"NAMESPACE":       p.Metadata.Namespace,
		"LABELS":          labels,
		"ISTIO_VERSION":   proxy.version(),
		"CLUSTER_ID":      proxy.env("ISTIO_META_CLUSTER_ID"),
		"MESH_ID":         proxy.env("ISTIO_META_MESH_ID"),
		"WORKLOAD_NAME":   proxy.env("ISTIO_META_WORKLOAD_NAME"),
		"NODE_NAME":       p.Spec.NodeName,
		"SERVICE_ACCOUNT": p.Spec.ServiceAccount,
		"INSTANCE_IPS":    p.Status.PodIP,
		"PROXY_CONFIG":    map[string]any{"discoveryAddress": proxy.discovery()},
	})
	if err != nil {
		return nil, err
	}
	space := p.Metadata.Namespace
	id := fmt.Sprintf("%s~%s~%s.%s~%s.svc.cluster.local", proxy.Args[1], p.Status.PodIP, p.Metadata.Name, space, space)
	return &core.Node{Id: id, Cluster: p.Metadata.Name, Metadata: metadata}, nil
}
