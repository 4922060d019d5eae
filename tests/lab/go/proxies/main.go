// Copyright (c) 2026, meshops.istio contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command proxies stands in for the sidecars and gateways of one cluster: one xDS client for each pod that carries a
// proxy, connected to the istiod that its own environment names, with the version that its own image names.
//
// It acknowledges whatever it is sent. A pod's annotation lab.meshops.dev/proxy-fault makes its proxy reject its
// configuration ("reject") or stay away from istiod ("disconnect"). A proxy with that annotation keeps a log, which the
// API server gives as that of its container.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"log"
	"net/http"
	"os"
)

func main() {
	server := flag.String("server", "", "URL of the API server")
	ca := flag.String("ca", "", "its CA certificate")
	certificate := flag.String("certificate", "", "client certificate")
	key := flag.String("key", "", "its key")
	logs := flag.String("logs", "", "folder for the logs of proxies with a fault")
	flag.Parse()
	log.SetFlags(log.Ltime)
	client, err := apiClient(*ca, *certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	cluster := &cluster{server: *server, http: client, addresses: map[string]known{}}
	if err := os.MkdirAll(*logs, 0o755); err != nil {
		log.Fatal(err)
	}
	crowd := crowd{cluster: cluster, proxies: map[string]*proxy{}, logs: *logs}
	cluster.follow(context.Background(), &crowd)
}

func apiClient(ca, certificate, key string) (*http.Client, error) {
	authority, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}, nil
}
