// Copyright (c) 2026, meshops.istio contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"log"
	"math/rand/v2"
	"sync"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	clusters   = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	listeners  = "type.googleapis.com/envoy.config.listener.v3.Listener"
	complaint  = "Error adding/updating listener(s) virtualInbound: lab.meshops.dev/proxy-fault says reject\n"
	small      = 4 << 10
	largest    = 64 << 20
	firstDelay = 100 * time.Millisecond
	lastDelay  = 2 * time.Second
)

// crowd is all proxies of a cluster, by the UID of their pods; one goroutine changes it.
type crowd struct {
	cluster *cluster
	proxies map[string]*proxy
	logs    string
}

// proxy is one of them. What it rejects may change while it is connected.
type proxy struct {
	cluster   *cluster
	discovery string
	node      *core.Node
	end       context.CancelFunc
	log       *log.Logger

	mutex   sync.Mutex
	rejects bool
	stream  discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	nonce   string
}

func (c *crowd) update(ctx context.Context, pod pod) {
	image, found := pod.proxy()
	if !found {
		return
	}
	fault := pod.fault(image.version())
	if !pod.running() || fault == away {
		c.remove(pod.Metadata.UID)
		return
	}
	one := c.proxies[pod.Metadata.UID]
	if one == nil {
		node, err := pod.node(image)
		if err != nil {
			log.Printf("pod %s/%s: %v", pod.Metadata.Namespace, pod.Metadata.Name, err)
			return
		}
		one = &proxy{cluster: c.cluster, discovery: image.discovery(), node: node, log: c.logOf(ctx, pod)}
		c.proxies[pod.Metadata.UID] = one
		ctx, one.end = context.WithCancel(ctx)
		go one.run(ctx)
	}
	one.judge(fault == rejecting)
}

func (c *crowd) remove(uid string) {
	if one := c.proxies[uid]; one != nil {
		one.end()
		delete(c.proxies, uid)
	}
}

// keep removes all but these.
func (c *crowd) keep(uids map[string]bool) {
	for uid := range c.proxies {
		if !uids[uid] {
			c.remove(uid)
		}
	}
}

// run stays connected until the pod is gone.
func (p *proxy) run(ctx context.Context) {
	for delay := firstDelay; ctx.Err() == nil; delay = min(2*delay, lastDelay) {
		if p.connect(ctx) {
			delay = firstDelay
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay/2 + rand.N(delay/2)):
		}
	}
}

// connect takes configuration until the connection ends, and returns whether it got any.
func (p *proxy) connect(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	address, err := p.cluster.istiod(ctx, p.discovery)
	if err != nil {
		return false
	}
	connection, err := grpc.NewClient(
		"passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithReadBufferSize(small),
		grpc.WithWriteBufferSize(small),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largest)),
	)
	if err != nil {
		return false
	}
	defer connection.Close()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(connection).StreamAggregatedResources(ctx)
	if err != nil {
		return false
	}
	go leaveWithServer(ctx, cancel, connection)
	p.log.Printf("connected to %s (%s)", p.discovery, address)
	p.use(stream)
	defer p.use(nil)
	for _, kind := range []string{clusters, listeners} {
		if p.send(&discovery.DiscoveryRequest{TypeUrl: kind, Node: p.node}) != nil {
			return false
		}
	}
	for got := false; ; got = true {
		answer, err := stream.Recv()
		if err != nil {
			return got
		}
		p.answer(answer.TypeUrl, answer.Nonce)
	}
}

// leaveWithServer ends a stream whose server says that it is going, which would wait for it otherwise.
func leaveWithServer(ctx context.Context, cancel context.CancelFunc, connection *grpc.ClientConn) {
	for state := connection.GetState(); ; state = connection.GetState() {
		if !connection.WaitForStateChange(ctx, state) {
			return
		}
		if state == connectivity.Ready {
			cancel()
			return
		}
	}
}

func (p *proxy) use(stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.stream, p.nonce = stream, ""
}

// judge sets whether it rejects its listeners, those too that it has.
func (p *proxy) judge(rejects bool) {
	p.mutex.Lock()
	changed := p.rejects != rejects
	p.rejects = rejects
	nonce := p.nonce
	p.mutex.Unlock()
	if changed && nonce != "" {
		p.answer(listeners, nonce)
	}
}

// answer acknowledges or rejects a response.
func (p *proxy) answer(kind, nonce string) {
	request := &discovery.DiscoveryRequest{TypeUrl: kind, ResponseNonce: nonce}
	p.mutex.Lock()
	if kind == listeners {
		p.nonce = nonce
		if p.rejects {
			p.log.Printf("rejected %s: %s", kind, complaint)
			request.ErrorDetail = &status.Status{Code: int32(codes.Internal), Message: complaint}
		}
	}
	p.mutex.Unlock()
	if err := p.send(request); err != nil {
		log.Printf("%s: %v", p.node.Id, err)
	}
}

func (p *proxy) send(request *discovery.DiscoveryRequest) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.stream == nil {
		return nil
	}
	return p.stream.Send(request)
}
