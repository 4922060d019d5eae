# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name one cluster and log in to it; shared by all modules of meshops.istio."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.auth."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - File that holds the connection to the cluster. It requires O(context). The content of a kubeconfig, or several
        files with colons between them, are refused.
      - Give either this option or O(host). Without one of them the task fails. It never falls back to the current
        context or to the cluster that it runs in.
      - Login, certificates and proxy must be in the file, because C(istioctl) reads it too. Of the options below,
        only O(impersonate_user) and O(impersonate_groups) can be combined with it.
      - Embedded keys are never written to a file. Credentials of a plugin (C(exec)) are renewed before they expire,
        and once if the API server no longer accepts them. If the plugin fails, or takes more than 60 seconds, the
        task fails with the plugin's message.
      - Falls back to E(K8S_AUTH_KUBECONFIG). E(KUBECONFIG) is not read.
    type: path
  context:
    description:
      - Context in O(kubeconfig). Required with that option, because the current context is never used.
      - Falls back to E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server, instead of O(kubeconfig) and O(context).
      - Log in by O(api_key), by O(username) and O(password), or by O(client_cert) and O(client_key). A login in the URL
        is refused, because results show the URL. A login over C(http) to another machine causes a warning.
      - Falls back to E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token, such as that of a service account.
      - Falls back to E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User name for basic authentication, with O(password). Few API servers still accept it.
      - Falls back to E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - Password for basic authentication, with O(username).
      - Falls back to E(K8S_AUTH_PASSWORD).
    type: str
  client_cert:
    description:
      - File with a client certificate, with O(client_key).
      - Falls back to E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - File with the private key of O(client_cert).
      - Falls back to E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - File with the CA certificates that verify the API server's certificate.
      - Falls back to E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether to verify the API server's certificate. V(false) is possible with O(host) only.
      - With V(false) every task warns, because another server could impersonate the API server.
      - Falls back to E(K8S_AUTH_VERIFY_SSL).
    type: bool
    default: true
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of a proxy between the task and the API server. C(socks5) requires the Python library C(PySocks).
      - A user and password in it are hidden in all output. Write special characters of a password with percent signs,
        such as C(%2F) for a slash.
      - Falls back to E(K8S_AUTH_PROXY).
    type: str
  no_proxy:
    description:
      - Hosts, domains, addresses and networks with commas between them that do not use O(proxy), such as
        V(.example.com,10.0.0.0/8).
      - A proxy of the environment has the environment variable E(NO_PROXY) for this, which C(istioctl) reads too.
      - Falls back to E(K8S_AUTH_NO_PROXY).
    type: str
  proxy_headers:
    description:
      - Login to O(proxy). Other headers, which M(kubernetes.core.k8s) has, are refused.
    type: dict
    suboptions:
      proxy_basic_auth:
        description:
          - User and password with a colon between them, instead of a login in the URL of O(proxy).
          - Falls back to E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH).
        type: str
  impersonate_user:
    description:
      - User to impersonate. The login itself needs the permission to impersonate.
      - Falls back to E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description:
      - Groups to impersonate, with O(impersonate_user).
      - Falls back to E(K8S_AUTH_IMPERSONATE_GROUPS).
    type: list
    elements: str
  expected_cluster_id:
    description:
      - UID of the namespace C(kube-system), which identifies a cluster for its lifetime.
      - If the cluster has another UID, the task fails before its first write.
      - Read it once with M(meshops.istio.istio_info), which returns it as
        RV(meshops.istio.istio_info#module:cluster.id), and keep it in the inventory.
    type: str
  istio_namespace:
    description:
      - Namespace of the control planes.
    type: str
    default: istio-system
  run:
    description:
      - The playbook run that the task belongs to. The first write of the run locks the cluster by the Lease
        C(meshops-istio-run) in O(istio_namespace). M(meshops.istio.istio_run_record) unlocks it at the end.
      - While the cluster is locked, other runs fail and name the holder. The lock is renewed until the run ends, also
        between its tasks if they run on the controller. If the processes of the holder are proven to have ended, the
        next run takes the lock immediately, otherwise after it has expired.
      - The record of the run is kept in the ConfigMap of the same name. M(meshops.istio.istio_info) returns both.
      - Without this option a task that writes locks the cluster while it works. If its user lacks the permission, it
        continues with a warning. It also refuses to write to a cluster that another run has locked.
    type: dict
    suboptions:
      started_by:
        description:
          - Name of the lock holder in messages. By default the user and the name of the machine.
        type: str
      job:
        description:
          - Number of the job that runs the playbook, such as an AWX job.
        type: str
      strategy:
        description:
          - Strategy of the run, such as V(canary).
        type: str
      version:
        description:
          - Target Istio version of the run.
        type: str
      revision:
        description:
          - Target revision of the run.
        type: str
      request_digest:
        description:
          - A digest of all options that affect the result of the run. For a later run with the same digest,
            RV(meshops.istio.istio_info#module:up_to_date) shows whether the run would find nothing to do.
        type: str
      undoes:
        description:
          - For a rollback, the run to undo. By default the last run that was not a rollback.
        type: str
      phase:
        description:
          - Phase of the run that the task belongs to.
        type: str
      lock_seconds:
        description:
          - Seconds after which the lock of a run expires if its processes cannot be proven to have ended.
        type: int
        default: 300
      break_lock:
        description:
          - Holder whose lock is taken although it has not expired. Use it only for a run that is known to be dead.
        type: str
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML
notes:
  - The modules of this collection send requests to the API server from the machine on which the task runs. Use
    C(connection=local) unless this must be another machine.
  - Set the options above once for all modules, with C(module_defaults) and the group C(meshops.istio.istio).
"""
