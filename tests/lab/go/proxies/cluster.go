// Copyright (c) 2026, meshops.istio contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// The plaintext port of istiod; what a sidecar is told is the one for certificates.
	xdsPort = 15010
	pause   = 500 * time.Millisecond
	// How long the address of a Service is believed.
	addressLife = 5 * time.Second
	pageSize    = 500
)

// cluster is an API server, read as JSON with the few fields that count.
type cluster struct {
	server    string
	http      *http.Client
	mutex     sync.Mutex
	addresses map[string]known
}

type known struct {
	address string
	until   time.Time
}

type listing struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []pod `json:"items"`
}

type event struct {
	Type   string `json:"type"`
	Object pod    `json:"object"`
}

// follow keeps a crowd of proxies in step with the pods, for ever.
func (c *cluster) follow(ctx context.Context, crowd *crowd) {
	for {
		if err := c.once(ctx, crowd); err != nil {
			log.Printf("pods: %v", err)
		}
		time.Sleep(pause)
	}
}

// once lists all pods and watches them until the watch ends.
func (c *cluster) once(ctx context.Context, crowd *crowd) error {
	seen := map[string]bool{}
	page := listing{}
	for more := true; more; more = page.Metadata.Continue != "" {
		path := fmt.Sprintf("/api/v1/pods?limit=%d&continue=%s", pageSize, page.Metadata.Continue)
		page = listing{}
		if err := c.get(ctx, path, &page); err != nil {
			return err
		}
		for _, pod := range page.Items {
			seen[pod.Metadata.UID] = true
			crowd.update(ctx, pod)
		}
	}
	crowd.keep(seen)
	return c.watch(ctx, page.Metadata.ResourceVersion, crowd)
}

func (c *cluster) watch(ctx context.Context, version string, crowd *crowd) error {
	path := "/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion=" + version
	answer, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := json.NewDecoder(answer.Body)
	for {
		change := event{}
		if err := lines.Decode(&change); err != nil {
			return err
		}
		switch change.Type {
		case "ADDED", "MODIFIED":
			crowd.update(ctx, change.Object)
		case "DELETED":
			crowd.remove(change.Object.Metadata.UID)
		case "ERROR":
			return fmt.Errorf("the watch from %s ended", version)
		}
	}
}

// istiod returns where the istiod of a discovery address such as istiod.istio-system.svc:15012 takes connections.
func (c *cluster) istiod(ctx context.Context, discovery string) (string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if found := c.addresses[discovery]; time.Now().Before(found.until) {
		return found.address, nil
	}
	host, _, _ := strings.Cut(discovery, ":")
	parts := strings.SplitN(host, ".", 3)
	if len(parts) < 2 {
		return "", fmt.Errorf("%q names no Service", discovery)
	}
	service := struct {
		Spec struct {
			ClusterIP string `json:"clusterIP"`
		} `json:"spec"`
	}{}
	if err := c.get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/services/%s", parts[1], parts[0]), &service); err != nil {
		return "", err
	}
	address := fmt.Sprintf("%s:%d", service.Spec.ClusterIP, xdsPort)
	c.addresses[discovery] = known{address, time.Now().Add(addressLife)}
	return address, nil
}

func (c *cluster) get(ctx context.Context, path string, into any) error {
	answer, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(into)
}

func (c *cluster) post(ctx context.Context, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	answer, err := c.ask(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

func (c *cluster) ask(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		answer.Body.Close()
		return nil, fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return answer, nil
}
