// Copyright (c) 2026, meshops.istio contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"
)

const logsOf = "/apis/kwok.x-k8s.io/v1alpha1/namespaces/%s/logs"

// runtimeLog writes each line as a container runtime does: when, which stream, whole or in part (F), and the text.
type runtimeLog struct{ file io.Writer }

func (r runtimeLog) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(r.file, "%s stderr F %s", time.Now().UTC().Format(time.RFC3339Nano), line)
	return len(line), err
}

// logOf returns the log of a pod's proxy, and tells the kubelet of the lab where it is.
func (c *crowd) logOf(ctx context.Context, pod pod) *log.Logger {
	if pod.Metadata.Annotations[faultNote] == "" {
		return log.New(io.Discard, "", 0)
	}
	path, err := filepath.Abs(filepath.Join(c.logs, pod.Metadata.Namespace+"_"+pod.Metadata.Name+".log"))
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	object := map[string]any{
		"apiVersion": "kwok.x-k8s.io/v1alpha1",
		"kind":       "Logs",
		"metadata":   map[string]any{"name": pod.Metadata.Name},
		"spec":       map[string]any{"logs": []any{map[string]any{"containers": []any{container}, "logsFile": path}}},
	}
	if err := c.cluster.post(ctx, fmt.Sprintf(logsOf, pod.Metadata.Namespace), object); err != nil {
		log.Printf("the log of pod %s/%s: %v", pod.Metadata.Namespace, pod.Metadata.Name, err)
	}
	return log.New(runtimeLog{file}, "", log.LstdFlags)
}
